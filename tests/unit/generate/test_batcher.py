"""One engine for all: seeds apart, cancelled at once, closed whole."""

import time
from dataclasses import replace

import pytest

from calcgen_ray.errors import InputError
from calcgen_ray.generate import batcher as batching
from calcgen_ray.generate.batcher import SEEDED_AT_ONCE, Batcher
from calcgen_ray.generate.ctranslate2_engine import CTranslate2Engine
from calcgen_ray.generate.engine import SamplingParams
from calcgen_ray.generate.process import EngineProcess
from tests.unit.generate.slow import Listener, Slow

GREEDY = SamplingParams(max_tokens=60, temperature=0)
SEEDED = SamplingParams(max_tokens=5000, temperature=1.0, seed=7)


@pytest.fixture(scope="module")
def engine(tiny_model):
    opened = CTranslate2Engine.open(tiny_model)
    yield opened
    opened.close()


@pytest.fixture(scope="module", params=["here", "in a process"])
def batcher(tiny_model, request):
    """Here, or with the engine in a process of its own: the same to whoever asks."""
    if request.param == "here":
        made = Batcher(CTranslate2Engine.open(tiny_model))
    else:
        made = EngineProcess.open(tiny_model)
    yield made
    made.close()


def test_in_slices_the_texts_are_those_of_the_engine_alone(engine, batcher):
    prompts = ["# x\n", "# Differentiate x**2 with respect to x.\n", "import sympy", "x"]
    wanted = [group[0] for group in engine.generate(prompts, GREEDY)]
    heard = Listener()
    ticket = batcher.submit([batcher.row(p, GREEDY) for p in prompts], GREEDY, heard)
    rows = heard.wait(4)
    assert [len(row) for row in rows] == [one.completion_tokens for one in wanted]
    assert [job.ids for job in ticket.jobs] == rows


def test_a_seed_gives_the_same_text_whatever_else_runs(batcher):
    params = SamplingParams(max_tokens=40, temperature=1.0, n=3, seed=7)
    row, other = batcher.row("# a b\n", params), batcher.row("# other\n", params)
    first = Listener()
    batcher.submit([row], params, first)
    alone = first.wait(3)
    noise = [Listener() for _ in range(4)]
    for listener in noise:
        batcher.submit([other], replace(params, seed=None, n=4), listener)
    second = Listener()
    batcher.submit([row], params, second)
    assert second.wait(3) == alone
    assert len({tuple(row) for row in alone}) > 1
    for listener in noise:
        listener.wait(4)


def test_equal_drawing_shares_a_batch_and_other_does_not():
    slow = Slow()
    batcher = Batcher(slow)
    heard = [Listener() for _ in range(4)]
    slow.gate.clear()
    batcher.submit(["warm"], replace(GREEDY, max_tokens=5), heard[0])
    while not slow.batches:
        time.sleep(0.001)
    batcher.submit(["aa"], replace(GREEDY, max_tokens=3), heard[1])
    batcher.submit(["bb"], replace(GREEDY, max_tokens=2), heard[1])
    batcher.submit(["cc"], replace(GREEDY, max_tokens=3, repetition_penalty=1.1), heard[2])
    batcher.submit(["d" * 200], replace(GREEDY, max_tokens=3), heard[3])
    slow.gate.set()
    for listener, rows in zip(heard, (1, 1, 1, 1), strict=True):
        listener.wait(rows)
    batcher.close()
    assert slow.batches[1:] == [[2, 2], [2], [200]]


def test_a_cancelled_request_ends_with_its_next_token():
    slow = Slow()
    batcher = Batcher(slow)
    heard = Listener()
    ticket = batcher.submit(["abc", "abd"], replace(GREEDY, max_tokens=10_000), heard)
    time.sleep(0.05)
    ticket.cancel()
    before = [len(job.ids) for job in ticket.jobs]
    heard.wait(2, seconds=5)
    assert all(len(job.ids) - n <= 1 for job, n in zip(ticket.jobs, before, strict=True))
    assert batcher.waiting == 0
    batcher.close()


def test_a_broken_batch_ends_its_own_rows_only():
    class Breaks(Slow):
        def advance(self, rows, steps, params, hear):
            if len(rows[0]) == 5:
                raise RuntimeError("out of memory")
            return super().advance(rows, steps, params, hear)

    batcher = Batcher(Breaks())
    bad, good = Listener(), Listener()
    ticket = batcher.submit(["aaaaa"], replace(GREEDY, repetition_penalty=2), bad)
    batcher.submit(["bb"], replace(GREEDY, max_tokens=3), good)
    bad.wait(1)
    assert good.wait(1) == [[0, 1, 2]]
    assert "out of memory" in str(ticket.jobs[0].error)
    batcher.close()


@pytest.mark.parametrize("seed", [7, None])
def test_no_batch_holds_more_tokens_than_the_engine_has_room_for(seed, monkeypatch):
    monkeypatch.setattr(batching, "SLICE_SECONDS", 60.0)
    slow = Slow(0)
    batcher = Batcher(slow)
    heard = Listener()
    params = SamplingParams(max_tokens=1000, temperature=1.0, n=40, seed=seed)
    batcher.submit(["abcd"], params, heard)
    heard.wait(40)
    batcher.close()
    assert [len(batch) for batch in slow.batches] == [16, 16, 8]
    assert len(set(slow.seeds)) == (3 if seed else 1)  # equal seeds would make equal texts


def test_a_seeded_request_in_several_batches_repeats(batcher):
    params = SamplingParams(max_tokens=250, temperature=1.0, n=80, seed=7)

    def texts():
        heard = Listener()
        batcher.submit([batcher.row("# a b c\n", params)], params, heard)
        return [tuple(row) for row in heard.wait(80)]

    first = texts()
    assert texts() == first and len(set(first)) > 70


def test_prompts_that_were_read_already_are_not_read_again():
    slow = Slow()
    batcher = Batcher(slow)
    heard = Listener()
    row = slow.row("abc", replace(GREEDY, max_tokens=3))
    slow.row = None
    ticket = batcher.submit([row], replace(GREEDY, max_tokens=3), heard)
    assert heard.wait(1) == [[0, 1, 2]] and ticket.jobs[0].row is row
    batcher.close()


def test_scores_do_not_wait_for_the_whole_batch():
    slow = Slow()
    batcher = Batcher(slow)
    long = Listener()
    batcher.submit(["abc"], replace(GREEDY, max_tokens=10_000), long)
    while not slow.batches:
        time.sleep(0.001)
    assert batcher.scores([1, 2, 3], 0).values == [2, 3]
    assert not long.over
    batcher.close()


def test_a_short_seeded_request_does_not_wait_for_a_long_one():
    batcher = Batcher(Slow())
    long, short = Listener(), Listener()
    batcher.submit(["abc"], SEEDED, long)
    batcher.submit(["abd"], replace(SEEDED, max_tokens=2), short)
    assert short.wait(1, seconds=5) == [[0, 1]]
    assert not long.over and (batcher.running, batcher.waiting) == (1, 0)
    batcher.close()


def test_closing_ends_seeded_requests_that_run_and_that_wait():
    batcher = Batcher(Slow())
    heard = [Listener() for _ in range(5)]
    tickets = [batcher.submit(["abc", "abcd"], SEEDED, listener) for listener in heard]
    time.sleep(0.5)
    assert batcher.running == 2 * SEEDED_AT_ONCE
    assert batcher.waiting == 2 * (5 - SEEDED_AT_ONCE)
    batcher.close()
    for listener, ticket in zip(heard, tickets, strict=True):
        listener.wait(2, seconds=1)
        assert all("closed" in str(job.error) for job in ticket.jobs)
    assert (batcher.running, batcher.waiting) == (0, 0)
    with pytest.raises(InputError, match="closed"):
        batcher.submit(["abc"], SEEDED, heard[0])
