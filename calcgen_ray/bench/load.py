"""Clients that ask an endpoint at the same time, each as soon as it has its last answer.

By aiohttp, whose parser is C: on the endpoint's own two cores, clients are to cost little.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp


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
    async with session_of(url, clients) as session:

        async def one(number: int) -> None:
            turn = number
            while time.perf_counter() - begin < seconds:
                await _once(session, {"prompt": prompts[turn % len(prompts)], **fields}, load)
                turn += clients

        await asyncio.gather(*(one(number) for number in range(clients)))
    load.seconds = time.perf_counter() - begin
    return load


async def _once(session: aiohttp.ClientSession, body: dict[str, Any], load: Load) -> None:
    begin = time.perf_counter()
    async with session.post("/v1/completions", json=body) as answer:
        if answer.status != 200:
            load.failures.append(f"{answer.status}: {(await answer.text())[:200]}")
            return
        told = await answer.json()
    load.latencies.append(time.perf_counter() - begin)
    load.tokens += told["usage"]["completion_tokens"]


def session_of(url: str, connections: int = 1) -> aiohttp.ClientSession:
    """To be opened within a loop; its connections are kept."""
    return aiohttp.ClientSession(
        url,
        connector=aiohttp.TCPConnector(limit=connections),
        timeout=aiohttp.ClientTimeout(total=120),
    )
