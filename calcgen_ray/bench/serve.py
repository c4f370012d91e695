"""What serving costs: over the engine alone, over transformers, and where a request's time goes.

The engine runs in this process and the endpoint in Ray's, both with one thread; they take turns.
"""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from calcgen_ray.bench.load import ask, session_of
from calcgen_ray.corpus import calcbench
from calcgen_ray.errors import ServeError
from calcgen_ray.generate.engine import SamplingParams, open_engine
from calcgen_ray.generate.rows import finish
from calcgen_ray.serving import driver
from calcgen_ray.serving.args import ServeArgs

CLIENTS = 32
ROUNDS = 5
SECONDS = 15.0
"""Of load in a round: its ramp and its end, when fewer than all ask, are a small part of it."""
PARAMS = SamplingParams(max_tokens=96, temperature=0.7, top_p=0.95)
SHORT = SamplingParams(max_tokens=16, temperature=0.0)
SHORT_ROUNDS = 200


def bench_serve(folder: Path, port: int, seconds: float = SECONDS) -> dict[str, Any]:
    """Measures the checkpoint in `folder` on calcbench's statements.

    Returns:
        served_over_engine: tokens a second that 32 clients get, over those of the engine in this
            process with 32 prompts at a time; median of the rounds' ratios.
        times_transformers: the same tokens a second over those of transformers' `generate`, one
            request at a time, behind the same route of Ray Serve.
        added_latency_ms: median of a short greedy completion over HTTP less that of the engine.
        shares_ms: where that completion's time goes: engine, tokenising, queue, app, proxy.
    """
    prompts = [problem.prompt for problem in calcbench.load()[::7]]
    engine = open_engine(folder, "ctranslate2")
    url = driver.start(ServeArgs(checkpoint=str(folder), run=False), port=port)
    try:
        rounds = [_round(engine, url, prompts, seconds) for _ in range(ROUNDS)]
        shares = _shares(engine, url, prompts[0])
    finally:
        driver.stop()
        engine.close()
    served = statistics.median(there for _, there in rounds)
    plain = _plain_rate(folder, port, prompts, seconds)
    return {
        "served_over_engine": round(statistics.median(b / a for a, b in rounds), 3),
        "times_transformers": round(served / plain, 2),
        "added_latency_ms": round(shares["total"] - shares["engine"] - shares["tokenising"], 2),
        "engine_tokens_per_s": round(statistics.median(a for a, _ in rounds)),
        "served_tokens_per_s": round(served),
        "transformers_tokens_per_s": round(plain),
        "clients": CLIENTS,
        "shares_ms": {name: round(value, 2) for name, value in shares.items()},
    }


def _round(engine: Any, url: str, prompts: Sequence[str], seconds: float) -> tuple[float, float]:
    """Tokens a second of the engine alone and of the endpoint."""
    return _engine_rate(engine, prompts, seconds), _rate(url, prompts, seconds)


def _engine_rate(engine: Any, prompts: Sequence[str], seconds: float) -> float:
    begin, tokens, turn = time.perf_counter(), 0, 0
    while time.perf_counter() - begin < seconds:
        some = [prompts[(turn + k) % len(prompts)] for k in range(CLIENTS)]
        turn += CLIENTS
        tokens += sum(one.completion_tokens for [one] in engine.generate(some, PARAMS))
    return tokens / (time.perf_counter() - begin)


def _rate(url: str, prompts: Sequence[str], seconds: float) -> float:
    load = ask(url, prompts, CLIENTS, seconds, max_tokens=PARAMS.max_tokens,
               temperature=PARAMS.temperature, top_p=PARAMS.top_p)  # fmt: skip
    if load.failures:
        raise ServeError(f"{len(load.failures)} requests failed; the first: {load.failures[0]}")
    return load.tokens_per_s


def _plain_rate(folder: Path, port: int, prompts: Sequence[str], seconds: float) -> float:
    from calcgen_ray.bench.deployment import build

    url = driver.deploy(build(folder, 1), port=port)
    try:
        return _rate(url, prompts, seconds)
    finally:
        driver.stop()


def _shares(engine: Any, url: str, prompt: str) -> dict[str, float]:
    """Milliseconds of a short greedy completion over HTTP, by where they go; medians, or means of
    what the endpoint itself has counted (queue and app)."""
    pairs, counted = asyncio.run(_in_turn(engine, url, prompt))
    total, whole = (1e3 * statistics.median(values) for values in zip(*pairs, strict=True))
    inside, queue = (1e3 * counted[name] / SHORT_ROUNDS for name in _COUNTED)
    tokenising = _tokenising(engine, prompt)
    return {
        "total": total, "engine": whole - tokenising, "tokenising": tokenising, "queue": queue,
        "app": inside - queue - whole, "proxy": total - inside,
    }  # fmt: skip


async def _in_turn(
    engine: Any, url: str, prompt: str
) -> tuple[list[tuple[float, float]], dict[str, float]]:
    """Seconds of one completion over HTTP and by the engine, in turn; what the endpoint counted."""
    body = {"prompt": prompt, "max_tokens": SHORT.max_tokens, "temperature": 0}
    async with session_of(url) as session:

        async def over_http() -> None:
            async with session.post("/v1/completions", json=body) as answer:
                answer.raise_for_status()
                await answer.read()

        await over_http()
        before, pairs = await _counted(session), []
        for _ in range(SHORT_ROUNDS):
            begin = time.perf_counter()
            await over_http()
            http = time.perf_counter() - begin
            pairs.append((http, _seconds(lambda: engine.generate([prompt], SHORT))))
        after = await _counted(session)
    return pairs, {name: after[name] - before[name] for name in _COUNTED}


_COUNTED = ("calcgen_request_seconds_sum", "calcgen_queue_wait_seconds_sum")


async def _counted(session: aiohttp.ClientSession) -> dict[str, float]:
    async with session.get("/metrics") as answer:
        text = await answer.text()
    found = {
        name: re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)", text, re.MULTILINE) for name in _COUNTED
    }
    return {name: float(match[1]) if match else 0.0 for name, match in found.items()}


def _tokenising(engine: Any, prompt: str) -> float:
    """Milliseconds from text to tokens and back, of one request."""
    row = engine.row(prompt, SHORT)
    ids = row.prompt_ids[: SHORT.max_tokens]

    def both() -> None:
        engine.row(prompt, SHORT)
        finish(engine.tokenizer, row, list(ids), SHORT)

    return 1e3 * statistics.median(_seconds(both) for _ in range(SHORT_ROUNDS))


def _seconds(do: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    do()
    return time.perf_counter() - begin
