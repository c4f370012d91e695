"""Reading a request's body: no longer than allowed, in time, and JSON that means one thing."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from calcgen_ray.serving.ahead import body_of
from calcgen_ray.serving.errors import ApiError

MAX_BODY_BYTES = 2_000_000
BODY_SECONDS = 30.0
"""For a body to arrive: one that never ends is given up."""

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Body:
    """A body as it came, and the model that it names; whether it is valid is told by `read`."""

    data: bytes
    model: str | None = None


async def read_body(request: Request) -> Body:
    """The body, read no further than its limit.

    Only JSON is read: a page of another site cannot send that without being asked first.

    Raises:
        ApiError: 408, 413 or 415; 400 for a key that stands twice in one object.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiError(415, f"content-type: got {kind[:100]!r}; send application/json")
    packed = request.headers.get("content-encoding", "identity").strip().lower()
    if packed != "identity":
        raise ApiError(415, f"content-encoding: got {packed[:100]!r}; send the body as it is")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            data = await _whole(request)
    except TimeoutError:
        raise ApiError(408, f"the body did not arrive within {BODY_SECONDS:g} s") from None
    model = _members(data).get("model")
    return Body(data, model if isinstance(model, str) else None)


async def _whole(request: Request) -> bytes:
    refusal = ApiError(413, f"the body is over {MAX_BODY_BYTES:,} bytes; send fewer prompts")
    told = request.headers.get("content-length", "")
    if told.isdigit() and len(told) < 20 and int(told) > MAX_BODY_BYTES:
        raise refusal
    if (ahead := body_of(request.scope)) is not None:
        return ahead
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise refusal
    return bytes(body)


def _members(data: bytes) -> dict[str, Any]:
    """The members of the JSON object in a body; none where it holds anything else."""
    try:
        found = json.loads(data, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; a key that stands twice is read differently by different readers."""
    found = dict(pairs)
    if len(found) < len(pairs):
        times = Counter(name for name, _ in pairs)
        twice = next(name for name, count in times.items() if count > 1)
        raise ApiError(400, f"the body has {twice[:100]!r} twice; leave one out")
    return found


def read(wanted: type[Model], body: Body, max_tokens_total: int = 0) -> Model:
    """The request of that type in a body.

    Raises:
        ApiError: 400, with the field, the value and what is allowed.
    """
    context = {"max_tokens_total": max_tokens_total} if max_tokens_total else None
    try:
        return wanted.model_validate_json(body.data, context=context)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        raise ApiError(400, f"the body is not JSON: {first['ctx']['error']}")
    where = ".".join(str(part) for part in first["loc"] if isinstance(part, str))
    reason = first["msg"].removeprefix("Value error, ")
    if not where:  # written by a model validator: "field: reason"
        name = reason.split(":")[0]
        known = {*getattr(wanted, "neutral", ()), *wanted.model_fields}
        raise ApiError(400, reason, param=name if name in known else None)
    if first["type"] == "missing":
        raise ApiError(400, f"{where}: is missing", param=where)
    if first["type"] == "extra_forbidden":
        raise ApiError(400, f"{where[:100]}: is no field of this request", param=None)
    raise ApiError(400, f"{where}: got {_short(first['input'])}; {_plain(reason)}", param=where)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _plain(reason: str) -> str:
    return reason.replace("Input should be", "allowed:") if reason else "not allowed"
