"""What a request may ask for: one type for every route, and the size of a body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from starlette.requests import Request

from calcgen_ray.generate.engine import GREEDY_BELOW, SamplingParams
from calcgen_ray.serving.errors import ApiError

MAX_BODY_BYTES = 2_000_000
MAX_PROMPTS = 64
MAX_N = 64
MAX_COMPLETIONS = 128
MAX_STOPS = 4
MAX_STOP_CHARACTERS = 256

Int = Annotated[int, Strict()]
Float = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Text = Annotated[str, Strict()]

_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "stream": (False,),
    "stream_options": (),
    "echo": (False,),
    "logprobs": (),
    "best_of": (1,),
    "suffix": ("",),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "repetition_penalty": (1,),
    "min_p": (0,),
    "logit_bias": ({},),
}
"""What is not built, with the values that ask for nothing; null does so everywhere."""


class CompletionRequest(BaseModel):
    """The body of `POST /v1/completions`; fields unknown to it are ignored.

    Validated with the context {"max_tokens_total": n_positions}.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    prompt: tuple[Text, ...] = Field(min_length=1, max_length=MAX_PROMPTS)
    model: Text | None = None
    max_tokens: Annotated[Int, Field(ge=1)] = 16
    temperature: Annotated[Float, Field(ge=0, le=2)] = 1.0
    top_p: Annotated[Float, Field(gt=0, le=1)] = 1.0
    top_k: Annotated[Int, Field(ge=0, le=10**6)] = 0
    n: Annotated[Int, Field(ge=1, le=MAX_N)] = 1
    stop: tuple[
        Annotated[str, Strict(), Field(min_length=1, max_length=MAX_STOP_CHARACTERS)], ...
    ] = Field(default=(), max_length=MAX_STOPS)
    seed: Annotated[Int, Field(ge=-(2**63), lt=2**63)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _only_what_is_built(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            raise ValueError("the body must be a JSON object")
        given = {key: value for key, value in body.items() if value is not None}
        for name, neutral in _NEUTRAL.items():
            if name in given and given[name] not in neutral:
                raise ValueError(f"{name}: is not supported by this endpoint; leave it out")
        return given

    @field_validator("prompt", "stop", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        if isinstance(value, str):
            return (value,)
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise ValueError("a string or a list of strings is needed (no token ids)")

    @field_validator("max_tokens")
    @classmethod
    def _within_model(cls, value: int, info: ValidationInfo) -> int:
        longest = (info.context or {}).get("max_tokens_total", value)
        if value > longest:
            raise ValueError(f"at most {longest}, which is what the model reads")
        return value

    @model_validator(mode="after")
    def _together(self) -> CompletionRequest:
        total = len(self.prompt) * self.n
        if total > MAX_COMPLETIONS:
            raise ValueError(
                f"n: {len(self.prompt)} prompts x n={self.n} = {total} completions; "
                f"allowed: at most {MAX_COMPLETIONS} a request"
            )
        if self.n > 1 and self.temperature < GREEDY_BELOW:
            raise ValueError("n: above 1 with temperature 0, which gives one text only")
        return self

    @property
    def sampling(self) -> SamplingParams:
        return SamplingParams(
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            n=self.n,
            stop=tuple(dict.fromkeys(self.stop)),
            seed=self.seed,
        )


Model = TypeVar("Model", bound=BaseModel)


def parse(body: bytes, max_tokens_total: int) -> CompletionRequest:
    """The completion request in a body.

    Raises:
        ApiError: 400, with the field, the value and what is allowed.
    """
    return read(CompletionRequest, body, {"max_tokens_total": max_tokens_total})


def read(wanted: type[Model], body: bytes, context: dict[str, Any] | None = None) -> Model:
    """The request of that type in a body.

    Raises:
        ApiError: 400, with the field, the value and what is allowed.
    """
    try:
        return wanted.model_validate_json(body, context=context)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        raise ApiError(400, f"the body is not JSON: {first['ctx']['error']}")
    where = str(first["loc"][0]) if first["loc"] else ""
    reason = first["msg"].removeprefix("Value error, ")
    if not where:  # written by a model validator: "field: reason"
        name = reason.split(":")[0]
        raise ApiError(400, reason, param=name if name in {*_NEUTRAL, "n"} else None)
    if first["type"] == "missing":
        raise ApiError(400, f"{where}: is missing", param=where)
    if first["type"] == "extra_forbidden":
        known = ", ".join(wanted.model_fields)
        raise ApiError(400, f"{where[:100]}: is no field of this request; it has {known}")
    raise ApiError(400, f"{where}: got {_short(first['input'])}; {_plain(reason)}", param=where)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _plain(reason: str) -> str:
    return reason.replace("Input should be", "allowed:") if reason else "not allowed"


async def read_body(request: Request) -> bytes:
    """The body, read no further than its limit.

    Only JSON is read: a page of another site cannot send that without being asked first.

    Raises:
        ApiError: 413 or 415.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiError(415, f"content-type: got {kind[:100]!r}; send application/json")
    refusal = ApiError(413, f"the body is over {MAX_BODY_BYTES:,} bytes; send fewer prompts")
    told = request.headers.get("content-length", "")
    if told.isdigit() and len(told) < 20 and int(told) > MAX_BODY_BYTES:
        raise refusal
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise refusal
    return bytes(body)
