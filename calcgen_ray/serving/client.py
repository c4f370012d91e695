"""Asking an endpoint: completions of any that speaks OpenAI's protocol, whole or as they come, and
of ours answers that were run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from calcgen_ray.errors import InputError, ServeError
from calcgen_ray.problem import Completion, as_prompt


def complete(
    url: str,
    prompt: str,
    *,
    max_tokens: int = 128,
    temperature: float = 0.7,
    top_p: float = 1.0,
    n: int = 1,
    stop: Sequence[str] = (),
    seed: int | None = None,
    model: str | None = None,
    key: str | None = None,
    timeout: float = 300.0,
) -> list[Completion]:
    """`n` completions of `prompt` from the endpoint at `url` (with or without /v1).

    The protocol tells the sum of new tokens only: with n above 1 `completion_tokens` is 0.

    Args:
        model: the endpoint's own when left out.
        key: what opens the endpoint, where it wants one.
        timeout: seconds without a byte of the answer.

    Raises:
        InputError: the endpoint refused the request; its message.
        ServeError: nothing answers there, or the answer is no completion.
    """
    body = _body(prompt=prompt, max_tokens=max_tokens, temperature=temperature, top_p=top_p, n=n,
                 stop=list(stop) or None, seed=seed, model=model)  # fmt: skip
    answer = _post(f"{_base(url)}/completions", body, timeout, key)
    try:
        usage, choices = answer["usage"], sorted(answer["choices"], key=lambda c: c["index"])
        return [
            Completion(
                prompt=prompt,
                text=choice["text"],
                finish_reason="stop" if choice["finish_reason"] == "stop" else "length",
                prompt_tokens=usage["prompt_tokens"],
                completion_tokens=usage["completion_tokens"] if len(choices) == 1 else 0,
                seed=seed,
            )
            for choice in choices
        ]
    except (KeyError, TypeError):
        raise ServeError(f"{url}: answered, but not with a completion") from None


def stream(
    url: str,
    prompt: str,
    *,
    max_tokens: int = 128,
    temperature: float = 0.7,
    top_p: float = 1.0,
    stop: Sequence[str] = (),
    seed: int | None = None,
    model: str | None = None,
    key: str | None = None,
    timeout: float = 300.0,
) -> Iterator[str]:
    """The text of one completion in pieces, as they are made; leaving the loop ends it there.

    Args, raises: as `complete`.
    """
    body = _body(prompt=prompt, max_tokens=max_tokens, temperature=temperature, top_p=top_p,
                 stop=list(stop) or None, seed=seed, model=model, stream=True)  # fmt: skip
    with _asking(url), _streaming(f"{_base(url)}/completions", body, timeout, key) as lines:
        for line in lines:
            if line == "data: [DONE]":
                return
            if line.startswith("data: "):
                yield _piece(url, json.loads(line[6:]))
    raise ServeError(f"{url}: the stream ended before the completion did")


@dataclass(frozen=True, slots=True)
class Answer:
    """A program that was made and run.

    `verdict` is equal, different or unknown where the statement says what is right, else None;
    `result` has the value's text, LaTeX and MathML where there is one; `figures` are PNG in base64.
    """

    code: str
    status: str
    verdict: str | None
    error: str | None
    stdout: str
    result: Mapping[str, str] | None
    figures: Sequence[str]

    @property
    def ran(self) -> bool:
        return self.status == "ran"


def solve(
    url: str,
    statement: str,
    *,
    n: int = 1,
    candidates: int = 8,
    max_tokens: int = 128,
    temperature: float = 0.7,
    expected: Mapping[str, Any] | None = None,
    seed: int | None = None,
    model: str | None = None,
    key: str | None = None,
    timeout: float = 300.0,
) -> list[Answer]:
    """The best `n` of `candidates` programs for a problem in words: right before wrong, those that
    run before those that fail. Only our endpoint can do this.

    Args:
        expected: what the result is compared with, as `{"kind": "expression", "value": "2*x"}`.

    Raises:
        InputError, ServeError: as `complete`.
    """
    prompt = as_prompt(statement)
    wanted = _body(verify=True, candidates=candidates, expected=expected)
    body = _body(prompt=prompt, max_tokens=max_tokens, temperature=temperature, n=n, seed=seed,
                 model=model, calcgen=wanted)  # fmt: skip
    answer = _post(f"{_base(url)}/completions", body, timeout, key)
    try:
        return [_answer(prompt + choice["text"], choice["calcgen"]) for choice in answer["choices"]]
    except (KeyError, TypeError):
        raise ServeError(f"{url}: answered, but ran nothing; is it a calcgen endpoint?") from None


def run(url: str, code: str, *, key: str | None = None, timeout: float = 300.0) -> Answer:
    """What becomes of a piece of code in the endpoint's sandbox.

    Raises:
        InputError, ServeError: as `complete`.
    """
    return _answer(code, _post(f"{_base(url)}/run", {"code": code}, timeout, key))


def _answer(code: str, told: Mapping[str, Any]) -> Answer:
    return Answer(
        code, told["status"], told.get("verdict"), told["error"], told["stdout"], told["result"],
        tuple(told["figures"]),
    )  # fmt: skip


def _body(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _piece(url: str, event: Any) -> str:
    if "error" in event:
        raise ServeError(f"{url}: {event['error'].get('message', 'failed')}")
    return str(event["choices"][0]["text"]) if event.get("choices") else ""


@contextmanager
def _streaming(
    url: str, body: dict[str, Any], timeout: float, key: str | None
) -> Iterator[Iterator[str]]:
    import httpx

    with httpx.stream(
        "POST", url, json=body, headers=_headers(key), timeout=timeout, verify=_secure(url)
    ) as response:
        if response.status_code != 200:
            response.read()
            _read(url, response)
        yield response.iter_lines()


def _headers(key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def _secure(url: str) -> bool:
    """Reading the certificates takes 25 ms, and plain HTTP needs none."""
    return url.lower().startswith("https")


def _base(url: str) -> str:
    trimmed = url.rstrip("/")
    return trimmed if trimmed.endswith("/v1") else f"{trimmed}/v1"


def _post(url: str, body: dict[str, Any], timeout: float, key: str | None) -> Any:
    import httpx

    with _asking(url):
        response = httpx.post(
            url, json=body, headers=_headers(key), timeout=timeout, verify=_secure(url)
        )
    return _read(url, response)


@contextmanager
def _asking(url: str) -> Iterator[None]:
    """Turns what goes wrong on the way into one line."""
    import httpx

    try:
        yield
    except httpx.TimeoutException:
        raise ServeError(f"{url}: no answer in time; raise timeout, or ask for less") from None
    except httpx.InvalidURL as error:
        raise InputError(f"{url}: {error}; a URL such as http://127.0.0.1:8000 is needed") from None
    except httpx.HTTPError as error:
        raise ServeError(
            f"{url}: nothing answers there ({type(error).__name__}); "
            "start an endpoint with `calcgen serve`"
        ) from None
    except ValueError as error:  # nan or infinity in a number
        raise InputError(f"the request cannot be sent: {error}") from None


def _read(url: str, response: Any) -> Any:
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if response.status_code == 200 and isinstance(answer, dict):
        return answer
    told = answer.get("error") if isinstance(answer, dict) else None
    message = str(told["message"]) if isinstance(told, dict) and "message" in told else ""
    line = " ".join((message or response.text).split())[:300] or "no reason told"
    if 400 <= response.status_code < 500 and response.status_code not in (408, 429):
        raise InputError(f"{url}: {line}")
    raise ServeError(f"{url}: status {response.status_code}: {line}")
