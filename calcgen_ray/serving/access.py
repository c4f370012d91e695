"""Who may ask: keys, the Host and Origin of a request, and how long its headers may be.

Every route but `/health`, `/ready` and the playground's files, which hold no secret and ask for a
key themselves, is refused to whom it is not opened. Keys come from a file with one on each line;
without one an endpoint listens on this machine only (driver.py).
"""

from __future__ import annotations

import hmac
import re
import uuid
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from calcgen_ray.errors import InputError
from calcgen_ray.serving import playground
from calcgen_ray.serving.errors import ApiError

OPEN_ROUTES = frozenset({"/health", "/ready", *playground.PATHS})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
MAX_HEADERS, MAX_HEADER_BYTES = 100, 32_768
MIN_KEY_CHARACTERS = 16
_IDENT = re.compile(r"[\x21-\x7e]{1,128}")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Policy:
    """`keys`: any of these opens; none means that everybody on an allowed host may ask."""

    keys: tuple[bytes, ...] = ()
    hosts: tuple[str, ...] = LOCAL_HOSTS


def read_keys(path: Path) -> tuple[bytes, ...]:
    """The keys of a file: one a line, blank lines and # comments apart.

    Raises:
        InputError: no such file, no key in it, or one that is too short to be secret.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"serve.keys_file: {path}: cannot be read: {error}") from None
    keys = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not keys:
        raise InputError(f"serve.keys_file: {path}: holds no key; write one on each line")
    if short := [number for number, key in enumerate(keys, 1) if len(key) < MIN_KEY_CHARACTERS]:
        raise InputError(
            f"serve.keys_file: {path}: key {short[0]} has fewer than {MIN_KEY_CHARACTERS} "
            "characters; take `openssl rand -hex 24`"
        )
    return tuple(key.encode() for key in keys)


class Access:
    """ASGI middleware: refuses in OpenAI's form, and gives every answer an X-Request-Id."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], policy: Policy):
        self.app, self.policy = app, policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        ident = request_id(scope)
        scope["calcgen_request_id"] = ident

        async def told(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", []), (b"x-request-id", ident.encode())]
                message = {**message, "headers": headers}
            await send(message)

        try:
            check(scope, self.policy)
        except ApiError as error:
            await error.response()(scope, receive, told)
            return
        await self.app(scope, receive, told)


def check(scope: Scope, policy: Policy) -> None:
    """Raises ApiError for a request that is not let in."""
    headers: Sequence[tuple[bytes, bytes]] = scope["headers"]
    if len(headers) > MAX_HEADERS or sum(len(k) + len(v) for k, v in headers) > MAX_HEADER_BYTES:
        raise ApiError(431, f"headers: at most {MAX_HEADERS} with {MAX_HEADER_BYTES:,} bytes")
    host = _name(_header(scope, b"host"))
    if host not in policy.hosts:
        raise ApiError(400, f"host: {host[:100]!r} is not served here; see serve.hosts")
    origin = _header(scope, b"origin")
    changes = scope["method"] not in SAFE_METHODS
    if origin and changes and _host_of(origin) not in policy.hosts:
        raise ApiError(403, f"origin: {origin[:100]!r} may not ask here; see serve.hosts")
    if policy.keys and scope["path"] not in OPEN_ROUTES:
        _check_key(_header(scope, b"authorization"), policy.keys)


def _check_key(given: str, keys: Sequence[bytes]) -> None:
    """Compares with every key, each in constant time."""
    kind, _, key = given.partition(" ")
    found = [hmac.compare_digest(key.strip().encode(), known) for known in keys]
    if kind.lower() != "bearer" or not any(found):
        raise ApiError(401, "a key is needed: Authorization: Bearer KEY", code="invalid_api_key")


def request_id(scope: Scope) -> str:
    """The caller's X-Request-Id where it is short and plain, else a new one."""
    given = _header(scope, b"x-request-id")
    return given if _IDENT.fullmatch(given) else uuid.uuid4().hex


def _header(scope: Scope, name: bytes) -> str:
    return next((v.decode("latin-1") for k, v in scope["headers"] if k.lower() == name), "")


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:  # as http://[
        return ""


def _name(host: str) -> str:
    """The name in a Host header: without its port, an IPv6 address without its brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()
