"""The endpoint under many clients: right answers, a bounded queue, nothing left behind.

Each in a short form; `make soak` runs the long ones and prints what they measure.
"""

import asyncio
import random
import socket
import statistics
import time

import httpx
import pytest

from tests.serve.conftest import await_true

pytestmark = pytest.mark.serve

PROMPTS = [f"# Differentiate x**{k} with respect to x.\n" for k in range(2, 10)]
LONG = pytest.mark.soak


def body_of(k):
    """A greedy request, every fourth one sampled with a seed: each has one right answer."""
    body = {"prompt": PROMPTS[k % len(PROMPTS)], "max_tokens": 16, "temperature": 0}
    return body | ({"temperature": 1.0, "seed": k % 16} if k % 4 == 3 else {})


def gather(url, clients, one):
    """Runs `one(client, number)` for each number below `clients` at the same time."""

    async def all_of_them():
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=url, limits=limits, timeout=120) as client:
            return await asyncio.gather(*(one(client, number) for number in range(clients)))

    return asyncio.run(all_of_them())


@pytest.fixture(scope="module")
def right(url):
    """The answers that a client alone gets."""
    return [
        httpx.post(f"{url}/v1/completions", json=body_of(k), timeout=60).json()["choices"][0][
            "text"
        ]
        for k in range(16)
    ]


def closed_loop(url, clients, seconds, right):
    """Requests a second; every answer is the one that a client alone gets."""
    begin = time.monotonic()

    async def one(client, number):
        done = 0
        while time.monotonic() - begin < seconds:
            k = number + done * clients
            answer = await client.post("/v1/completions", json=body_of(k))
            assert answer.status_code == 200, answer.text
            assert answer.json()["choices"][0]["text"] == right[k % 16]
            done += 1
        return done

    return sum(gather(url, clients, one)) / (time.monotonic() - begin)


@pytest.mark.parametrize("seconds", [2, pytest.param(60, marks=LONG)])
def test_many_clients_get_the_answers_of_one(url, right, seconds):
    rates = {clients: closed_loop(url, clients, seconds, right) for clients in (1, 8, 32, 128)}
    print({clients: f"{rate:.1f} requests/s" for clients, rate in rates.items()})


@pytest.mark.parametrize("waves", [1, pytest.param(20, marks=LONG)])
def test_a_surplus_is_told_to_come_back(url, waves):
    """More at once than the queue holds: each is answered or refused, and nothing else happens."""
    body = {"prompt": "x", "max_tokens": 250, "temperature": 1.0, "n": 3}  # longer than they come

    async def one(client, number):
        begin = time.monotonic()
        answer = await client.post("/v1/completions", json=body)
        return answer.status_code, answer.headers.get("retry-after"), time.monotonic() - begin

    for _ in range(waves):
        told = gather(url, 300, one)
        assert {status for status, _, _ in told} == {200, 429}
        assert all(after for status, after, _ in told if status == 429)
        assert sum(status == 200 for status, _, _ in told) >= 128
        after = httpx.post(f"{url}/v1/completions", json=body_of(0), timeout=5)
        assert after.status_code == 200
    refused = statistics.median(seconds for status, _, seconds in told if status == 429)
    print(f"refused within {refused:.2f} s (median; 300 at once from one process)")


@pytest.mark.parametrize("clients", [60, pytest.param(600, marks=LONG)])
def test_clients_that_drop_leave_nothing(url, figure, clients):
    """Each leaves at a moment of its own, half of them within a stream."""
    chance = random.Random(5)
    moments = [chance.uniform(0, 0.6) for _ in range(clients)]

    async def one(client, number):
        body = {"prompt": "x", "max_tokens": 250, "stream": number % 2 == 0}
        try:
            await asyncio.wait_for(client.post("/v1/completions", json=body), moments[number])
        except (TimeoutError, httpx.HTTPError):
            return

    gather(url, clients, one)
    rows = ("calcgen_rows_running", "calcgen_rows_waiting")
    assert await_true(lambda: not any(map(figure, rows)), 10)
    answer = httpx.post(f"{url}/v1/completions", json=body_of(0), timeout=5)
    assert answer.status_code == 200


@pytest.mark.parametrize("readers", [24, pytest.param(120, marks=LONG)])
def test_slow_readers_hold_up_nobody(url, figure, right, readers):
    """Streams that are hardly read: the others are answered, and memory stays bounded."""
    payload = b'{"prompt":"x","max_tokens":250,"stream":true}'
    head = (f"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json"
            f"\r\nContent-Length: {len(payload)}\r\n\r\n").encode()  # fmt: skip
    before = figure("process_resident_memory_bytes")
    port, slow = int(url.rpartition(":")[2]), []
    try:
        for _ in range(readers):
            reader = socket.create_connection(("127.0.0.1", port))
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            reader.sendall(head + payload)
            slow.append(reader)
        for _ in range(5):
            for reader in slow:
                assert len(reader.recv(1)) == 1
            assert closed_loop(url, 2, 0.5, right) > 0
        assert figure("process_resident_memory_bytes") < before + (64 << 20)
    finally:
        for reader in slow:
            reader.close()
    assert await_true(lambda: figure("calcgen_rows_running") == 0, 10)


@pytest.mark.parametrize("seconds", [8, pytest.param(1800, marks=LONG)])
@pytest.mark.timeout(2400)
def test_mixed_traffic_leaks_nothing(url, figure, right, seconds):
    """Whole and streamed answers, refusals, and clients that leave, over and over."""

    def wave():
        async def one(client, number):
            body = body_of(number)
            if number % 5 == 1:
                body["max_tokens"] = -1
            if number % 5 == 2:
                body["stream"] = True
            try:
                await asyncio.wait_for(
                    client.post("/v1/completions", json=body), 0.05 if number % 5 == 3 else 60
                )
            except (TimeoutError, httpx.HTTPError):
                assert number % 5 == 3

        gather(url, 20, one)

    sizes = ("process_resident_memory_bytes", "calcgen_engine_process_resident_memory_bytes")
    counts = ("process_open_fds", "calcgen_engine_process_open_fds")
    end, warm = time.monotonic() + seconds, time.monotonic() + seconds / 6
    while time.monotonic() < warm:
        wave()
    memory, files = list(map(figure, sizes)), list(map(figure, counts))
    while time.monotonic() < end:
        wave()
    after = list(map(figure, sizes))
    for name, then, now in zip(("replica", "engine"), memory, after, strict=True):
        print(f"{name}: memory {then / 2**20:.0f} -> {now / 2**20:.0f} MB")
        assert now < max(1.05 * then, then + (16 << 20))
    for name, then in zip(counts, files, strict=True):
        assert await_true(lambda name=name, then=then: figure(name) <= then + 4, 10)
