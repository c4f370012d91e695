"""What a request may ask for: one type whose fields and limits every route shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    ValidationInfo,
    field_validator,
    model_validator,
)

from calcgen_ray.generate.engine import GREEDY_BELOW, SamplingParams

MAX_PROMPTS = 64
MAX_N = 64
MAX_BEST_OF = 16
MAX_COMPLETIONS = 128
MAX_NEW_TOKENS = 65_536
"""Of all completions of a request together: four of the engine's largest batches."""
MAX_LOGPROBS = 5
MAX_STOPS = 4
MAX_STOP_CHARACTERS = 256
MAX_CANDIDATES = 32
MAX_MESSAGES = 64

Int = Annotated[int, Strict()]
Float = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Text = Annotated[str, Strict()]
Bool = Annotated[bool, Strict()]

NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "suffix": ("",),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "min_p": (0,),
    "logit_bias": ({},),
    "tools": ([],),
    "functions": ([],),
    "response_format": ({"type": "text"},),
}
"""What the engine or the model has not, with the values that ask for nothing; null always does."""
CHATS_NEUTRAL = {**NEUTRAL, "logprobs": (False,), "top_logprobs": (0,)}


class StreamOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    include_usage: Bool = False


class Wanted(BaseModel):
    """The field `expected`: what the result is compared with, as in `calcgen_ray.problem`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal[
        "expression", "antiderivative", "limit", "series", "ode", "solution_set", "number"
    ]
    value: Annotated[str, Strict(), Field(max_length=2000)] = ""
    given: dict[
        Annotated[str, Strict(), Field(max_length=40)],
        Annotated[str, Strict(), Field(max_length=2000)],
    ] = Field(default={}, max_length=12)


class Verify(BaseModel):
    """The field `calcgen`: candidates are run, and those that run come first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verify: Bool = False
    candidates: Annotated[Int, Field(ge=1, le=MAX_CANDIDATES)] = 8
    expected: Wanted | None = None


class SamplingRequest(BaseModel):
    """What all routes that sample have in common; fields unknown to it are ignored.

    Validated with the context {"max_tokens_total": n_positions}.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)
    neutral: ClassVar[Mapping[str, tuple[Any, ...]]] = NEUTRAL

    model: Text | None = None
    """One of /v1/models; the live checkpoint where it is left out."""
    max_tokens: Annotated[Int, Field(ge=0)] = 16
    """Longest completion; cut to what the model has room for."""
    temperature: Annotated[Float, Field(ge=0, le=2)] = 1.0
    """0 takes the likeliest token each time."""
    top_p: Annotated[Float, Field(gt=0, le=1)] = 1.0
    """Draws from the likeliest tokens that have this probability together."""
    top_k: Annotated[Int, Field(ge=0, le=10**6)] = 0
    """Draws from so many of the likeliest tokens; 0 from all."""
    repetition_penalty: Annotated[Float, Field(ge=0.1, le=10)] = 1.0
    """Above 1 makes tokens that came already less likely."""
    n: Annotated[Int, Field(ge=1, le=MAX_N)] = 1
    """Completions of each prompt."""
    stop: tuple[
        Annotated[str, Strict(), Field(min_length=1, max_length=MAX_STOP_CHARACTERS)], ...
    ] = Field(default=(), max_length=MAX_STOPS)
    """A text or several; a completion ends before the first of them."""
    seed: Annotated[Int, Field(ge=-(2**63), lt=2**63)] | None = None
    """Same seed, same request, same text."""
    stream: Bool = False
    """Server-sent events, token by token."""
    stream_options: StreamOptions | None = None
    """{"include_usage": true} ends a stream with its tokens' numbers."""
    calcgen: Verify = Verify()
    """With "verify": true candidates are drawn and run; those that run come first, and of these the
    right ones, where that can be told."""

    @model_validator(mode="before")
    @classmethod
    def _only_what_is_there(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            raise ValueError("the body must be a JSON object")
        given = {key: value for key, value in body.items() if value is not None}
        for name, neutral in cls.neutral.items():
            if name in given and given[name] not in neutral:
                raise ValueError(f"{name}: is not supported by this endpoint; leave it out")
        return given

    @field_validator("stop", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return _strings(value)

    @field_validator("max_tokens")
    @classmethod
    def _within_model(cls, value: int, info: ValidationInfo) -> int:
        longest = (info.context or {}).get("max_tokens_total", value)
        if value > longest:
            raise ValueError(f"at most {longest}, which is what the model reads")
        return value

    @property
    def rows(self) -> int:
        """Completions that are made for each prompt."""
        return self.calcgen.candidates if self.calcgen.verify else self.n

    @property
    def sampling(self) -> SamplingParams:
        return SamplingParams(
            max_tokens=max(1, self.max_tokens),
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            n=self.rows,
            stop=tuple(dict.fromkeys(self.stop)),
            repetition_penalty=self.repetition_penalty,
            seed=self.seed,
        )

    def check(self, prompts: int) -> None:
        """Raises ValueError for fields that do not go together."""
        total = prompts * self.rows
        if total > MAX_COMPLETIONS:
            raise ValueError(
                f"n: {prompts} prompts x {self.rows} = {total} completions; "
                f"allowed: at most {MAX_COMPLETIONS} a request"
            )
        tokens = total * self.max_tokens
        if tokens > MAX_NEW_TOKENS:
            raise ValueError(
                f"max_tokens: {prompts} prompts x {self.rows} completions x {self.max_tokens} "
                f"tokens = {tokens:,}; allowed: at most {MAX_NEW_TOKENS:,} a request"
            )
        if self.n > 1 and self.temperature < GREEDY_BELOW:
            raise ValueError("n: above 1 with temperature 0, which gives one text only")
        if self.calcgen.verify and self.stream:
            raise ValueError("stream: answers that are verified come whole; leave it out")
        if self.calcgen.verify and self.n > self.calcgen.candidates:
            raise ValueError(f"n: {self.n} is more than calcgen.candidates")
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options: only with stream")


class CompletionRequest(SamplingRequest):
    """The body of `POST /v1/completions`."""

    prompt: tuple[Text | tuple[Int, ...], ...] = Field(min_length=1, max_length=MAX_PROMPTS)
    """A text or several, or their tokens: the problem as Python comments."""
    best_of: Annotated[Int, Field(ge=1, le=MAX_BEST_OF)] | None = None
    """So many are made, and the n likeliest of them answered."""
    logprobs: Annotated[Int, Field(ge=0, le=MAX_LOGPROBS)] | None = None
    """Tells log probabilities, beside so many of the likeliest tokens."""
    echo: Bool = False
    """The prompt stands before the completion; with max_tokens 0 it alone is scored."""

    @field_validator("prompt", mode="before")
    @classmethod
    def _some_prompts(cls, value: Any) -> Any:
        if isinstance(value, str) or _are_tokens(value):
            return (value,)
        if isinstance(value, list) and all(isinstance(p, str) or _are_tokens(p) for p in value):
            return tuple(value)
        raise ValueError("a text, its tokens as whole numbers, or a list of these is needed")

    @property
    def rows(self) -> int:
        return max(super().rows, self.best_of or 1)

    @model_validator(mode="after")
    def _together(self) -> CompletionRequest:
        self.check(len(self.prompt))
        if self.best_of is not None and self.best_of < self.n:
            raise ValueError(f"best_of: {self.best_of} is less than n {self.n}")
        if self.stream and (self.best_of or 1) > self.n:
            raise ValueError("best_of: cannot be streamed; set it to n, or leave stream out")
        if self.calcgen.verify and (self.echo or self.logprobs is not None):
            name = "echo" if self.echo else "logprobs"
            raise ValueError(f"{name}: not with verified answers; leave one out")
        if self.stream and self.logprobs is not None:
            raise ValueError("logprobs: not with stream on this endpoint; leave one out")
        if self.max_tokens == 0 and not self.echo:
            raise ValueError("max_tokens: 0 only with echo, which scores the prompt")
        if self.max_tokens == 0 and self.stream:
            raise ValueError("stream: there is nothing to stream with max_tokens 0")
        return self


class Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: Text
    """A text, or a list of parts {"type": "text", "text": ...}, which are joined."""

    @field_validator("content", mode="before")
    @classmethod
    def _of_parts(cls, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        texts = [part.get("text") for part in value if _is_text(part)]
        if len(texts) < len(value):
            raise ValueError('only parts {"type": "text", "text": ...} are read')
        return "".join(texts)


class ChatRequest(SamplingRequest):
    """The body of `POST /v1/chat/completions`."""

    neutral: ClassVar[Mapping[str, tuple[Any, ...]]] = CHATS_NEUTRAL

    messages: tuple[Message, ...] = Field(min_length=1, max_length=MAX_MESSAGES)
    """What a user says becomes a comment, what was answered stands below it."""
    max_tokens: Annotated[Int, Field(ge=1)] = 192
    """Longest completion; cut to what the model has room for."""

    @model_validator(mode="before")
    @classmethod
    def _newer_name(cls, body: Any) -> Any:
        if isinstance(body, dict) and body.get("max_completion_tokens") is not None:
            body = {**body, "max_tokens": body["max_completion_tokens"]}
        return body

    @field_validator("messages")
    @classmethod
    def _ends_with_a_question(cls, value: tuple[Message, ...]) -> tuple[Message, ...]:
        if value[-1].role != "user" or not value[-1].content.strip():
            raise ValueError("the last message must be the user's, and not empty")
        return value

    @model_validator(mode="after")
    def _together(self) -> ChatRequest:
        self.check(1)
        return self


def _is_text(part: Any) -> bool:
    whole = isinstance(part, dict) and part.get("type") == "text"
    return whole and isinstance(part.get("text"), str)


def _are_tokens(value: Any) -> bool:
    """Whether it is a list of some whole numbers, among which JSON's true is none."""
    return isinstance(value, list) and bool(value) and all(type(token) is int for token in value)


def _strings(value: Any) -> Any:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise ValueError("a string or a list of strings is needed")
