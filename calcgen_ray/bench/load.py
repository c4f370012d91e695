"""Clients that ask an endpoint at the same time, each as soon as it has its last answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass(slots=True)
class Load:
    """What came of it: tokens made, seconds taken, each answer's seconds, and who failed."""

    tokens: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def tokens_per_s(self) -> float:
        return self.tokens / self.seconds


def ask(url: str, prompts: Sequence[str], clients: int, seconds: float, **fields: Any) -> Load:
    """`clients` of them ask in turn for the prompts' completions, for so long.

    Every request that was begun is waited for, and the clock stops with the last.
    """
    return asyncio.run(_ask(url, prompts, clients, seconds, fields))


async def _ask(
    url: str, prompts: Sequence[str], clients: int, seconds: float, fields: dict[str, Any]
) -> Load:
    load, begin = Load(), time.perf_counter()
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(
        base_url=url, limits=limits, timeout=120.0, trust_env=False
    ) as client:

        async def one(number: int) -> None:
            turn = number
            while time.perf_counter() - begin < seconds:
                await _once(client, {"prompt": prompts[turn % len(prompts)], **fields}, load)
                turn += clients

        await asyncio.gather(*(one(number) for number in range(clients)))
    load.seconds = time.perf_counter() - begin
    return load


async def _once(client: httpx.AsyncClient, body: dict[str, Any], load: Load) -> None:
    begin = time.perf_counter()
    answer = await client.post("/v1/completions", json=body)
    if answer.status_code != 200:
        load.failures.append(f"{answer.status_code}: {answer.text[:200]}")
        return
    load.latencies.append(time.perf_counter() - begin)
    load.tokens += answer.json()["usage"]["completion_tokens"]
