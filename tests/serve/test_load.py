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

from calcgen_ray.serving import driver
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


@LONG
def test_a_surplus_is_told_to_come_back(url):
    """More at once than the queue holds: each is answered or refused, and nothing else happens."""
    body = {"prompt": "x", "max_tokens": 250, "temperature": 1.0, "n": 3}  # longer than they come

    async def one(client, number):
        begin = time.monotonic()
        answer = await client.post("/v1/completions", json=body)
        return answer.status_code, answer.headers.get("retry-after"), time.monotonic() - begin

    for _ in range(20):
        told = gather(url, 300, one)
        assert {status for status, _, _ in told} == {200, 429}
        assert all(after for status, after, _ in told if status == 429)
        assert sum(status == 200 for status, _, _ in told) >= 128
        after = httpx.post(f"{url}/v1/completions", json=body_of(0), timeout=5)
        assert after.status_code == 200
    refused = statistics.median(seconds for status, _, seconds in told if status == 429)
    print(f"refused within {refused:.2f} s (median; 300 at once from one process)")


async def arrivals(rate, seconds, one):
    """Runs `one()` that often a second, whether the last ones are over or not."""
    begin, tasks = time.monotonic(), []
    while (late := time.monotonic() - begin) < seconds:
        tasks.append(asyncio.create_task(one()))
        await asyncio.sleep(max(0.0, len(tasks) / rate - late))
    return await asyncio.gather(*tasks)


async def capacity_of(one, seconds=2.0, clients=16):
    """Requests a second of clients who wait for their answers."""
    end, done = time.monotonic() + seconds, 0

    async def keep_asking():
        nonlocal done
        while time.monotonic() < end:
            await one()
            done += 1

    await asyncio.gather(*(keep_asking() for _ in range(clients)))
    return done / seconds


@pytest.mark.parametrize("seconds", [8, pytest.param(60, marks=LONG)])
def test_twice_what_it_can_do_is_half_refused(url, seconds):
    """An open loop: clients come whether others are answered or not. What is taken is answered,
    the surplus told to come back, and afterwards everything is as before."""

    async def load():
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=url, limits=limits, timeout=120) as client:

            async def one():
                begin = time.monotonic()
                body = {"prompt": "x", "max_tokens": 200, "temperature": 1.0, "n": 4}
                answer = await client.post("/v1/completions", json=body)
                after = answer.headers.get("retry-after")
                return answer.status_code, after, time.monotonic() - begin

            idle = max([(await one())[2] for _ in range(10)])
            rate = 2 * await capacity_of(one)
            told, over = await arrivals(rate, seconds, one), time.monotonic()
            while (await one())[2] > 2 * idle and time.monotonic() < over + 30:
                pass
            return rate, told, time.monotonic() - over

    rate, told, recovered = asyncio.run(load())
    times = {code: sorted(t for status, _, t in told if status == code) for code in (200, 429)}
    assert len(told) == sum(map(len, times.values()))
    assert all(after for status, after, _ in told if status == 429)
    assert times[200] and times[429] and recovered < 30
    print(f"{rate:.0f} requests/s, twice what it does, for {seconds} s:")
    for code, each in times.items():
        half, most = (1e3 * each[int(q * len(each))] for q in (0.5, 0.99))
        print(f"  {len(each)} answered with {code}, p50 {half:.0f} ms, p99 {most:.0f} ms")
    print(f"  answered as if idle {recovered:.1f} s later")


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
    held = ("calcgen_requests_held", "calcgen_rows_running", "calcgen_rows_waiting")
    assert await_true(lambda: not any(map(figure, held)), 10)
    answer = httpx.post(f"{url}/v1/completions", json=body_of(0), timeout=5)
    assert answer.status_code == 200


@pytest.fixture
def wide(url, args):
    """The endpoint with room for so many requests at once, then as it was."""
    port = int(url.rpartition(":")[2])

    def widen(requests):
        if requests > args.max_queued_requests:
            driver.start(args.model_copy(update={"max_queued_requests": requests}), port=port)

    yield widen
    driver.start(args, port=port)


def slow_reader(url):
    """A stream of 250 tokens whose reader takes a byte now and then."""
    payload = b'{"prompt":"x","max_tokens":250,"stream":true}'
    reader = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    head = (f"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json"
            f"\r\nContent-Length: {len(payload)}\r\n\r\n").encode()  # fmt: skip
    reader.sendall(head + payload)
    return reader


@pytest.mark.parametrize("readers", [24, pytest.param(256, marks=LONG)])
def test_slow_readers_hold_up_nobody(url, wide, figure, right, readers):
    """Streams that are hardly read: the others are answered, and memory stays bounded."""
    wide(readers + 8)
    alone, before = closed_loop(url, 2, 3, right), figure("process_resident_memory_bytes")
    slow, read, rates = [], [b""] * readers, []
    try:
        slow += [slow_reader(url) for _ in range(readers)]
        for _ in range(len("HTTP/1.1 200")):
            read = [got + reader.recv(1) for got, reader in zip(read, slow, strict=True)]
            rates.append(closed_loop(url, 2, 0.5, right))
        memory = figure("process_resident_memory_bytes")
    finally:
        for reader in slow:
            reader.close()
    beside = statistics.median(rates)
    print(f"{alone:.0f} requests/s alone, {beside:.0f} beside {readers} streams; "
          f"memory {before / 2**20:.0f} -> {memory / 2**20:.0f} MB")  # fmt: skip
    assert set(read) == {b"HTTP/1.1 200"} and min(rates) > 0
    assert memory < before + (64 << 20)
    assert await_true(lambda: figure("calcgen_rows_running") == 0, 10)


@pytest.mark.parametrize("seconds", [8, pytest.param(1800, marks=LONG)])
@pytest.mark.timeout(2400)
def test_mixed_traffic_leaks_nothing(url, figure, right, seconds):
    """Whole and streamed answers, refusals, and clients that leave, over and over."""

    def wave():
        async def one(client, number):
            body, kind = body_of(number), number % 5
            if kind == 1:
                body["max_tokens"] = -1
            if kind == 2:
                body["stream"] = True
            try:
                answer = await asyncio.wait_for(
                    client.post("/v1/completions", json=body), 0.05 if kind == 3 else 60
                )
            except (TimeoutError, httpx.HTTPError):
                assert kind == 3
                return
            assert answer.status_code == (400 if kind == 1 else 200), answer.text
            if kind == 2:
                assert answer.text.endswith("data: [DONE]\n\n")
            elif kind != 1:
                assert answer.json()["choices"][0]["text"] == right[number % 16]

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
