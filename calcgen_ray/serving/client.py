"""Asking an endpoint, ours or any that speaks OpenAI's completions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from calcgen_ray.errors import InputError, ServeError
from calcgen_ray.problem import Completion


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
    asked = {
        "prompt": prompt,
        "max_tokens": max_tokens,
        "temperature": temperature,
        "top_p": top_p,
        "n": n,
        "stop": list(stop) or None,
        "seed": seed,
        "model": model,
    }
    body = {key: value for key, value in asked.items() if value is not None}
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


def _base(url: str) -> str:
    trimmed = url.rstrip("/")
    return trimmed if trimmed.endswith("/v1") else f"{trimmed}/v1"


def _post(url: str, body: dict[str, Any], timeout: float, key: str | None) -> Any:
    import httpx

    headers = {"Authorization": f"Bearer {key}"} if key else {}

    try:
        # Reading the certificates takes 25 ms, and plain HTTP needs none.
        secure = url.lower().startswith("https")
        response = httpx.post(url, json=body, headers=headers, timeout=timeout, verify=secure)
    except httpx.TimeoutException:
        raise ServeError(f"{url}: no answer within {timeout:g} s") from None
    except httpx.InvalidURL as error:
        raise InputError(f"{url}: {error}; a URL such as http://127.0.0.1:8000 is needed") from None
    except httpx.HTTPError as error:
        raise ServeError(
            f"{url}: nothing answers there ({type(error).__name__}); "
            "start an endpoint with `calcgen serve`"
        ) from None
    except ValueError as error:  # nan or infinity in a number
        raise InputError(f"the request cannot be sent: {error}") from None
    return _read(url, response)


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
