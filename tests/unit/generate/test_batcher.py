"""One engine for all: joins between slices, seeds apart, cancelled at once."""

import threading
import time
from dataclasses import replace

import pytest

from calcgen_ray.errors import InputError
from calcgen_ray.generate import batcher as batching
from calcgen_ray.generate.batcher import SEEDED_AT_ONCE, SLICE_SECONDS, Batcher
from calcgen_ray.generate.ctranslate2_engine import CTranslate2Engine
from calcgen_ray.generate.engine import SamplingParams
from calcgen_ray.generate.process import EngineProcess
from calcgen_ray.generate.rows import Row

GREEDY = SamplingParams(max_tokens=60, temperature=0)


class Listener:
    """Collects rows' tokens, and when each row is over."""

    def __init__(self):
        self.tokens, self.over, self.order = {}, set(), []
        self.done = threading.Condition()

    def __call__(self, place, token):
        with self.done:
            if token is None:
                self.over.add(place)
                self.order.append(place)
            else:
                self.tokens.setdefault(place, []).append(token)
            self.done.notify_all()

    def wait(self, rows, seconds=60):
        with self.done:
            assert self.done.wait_for(lambda: len(self.over) >= rows, seconds)
        return [self.tokens.get(place, []) for place in range(rows)]


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


class Slow:
    """An engine that makes one token a row and step, each the count so far, and never ends."""

    tokenizer, max_tokens_total = None, 10_000

    def __init__(self, seconds=0.002, reading=0.0):
        self.seconds, self.reading = seconds, reading
        self.batches, self.seeds, self.made = [], [], []
        self.busy = threading.Lock()  # as an engine with one worker
        self.gate = threading.Event()
        self.gate.set()

    def row(self, prompt, params):
        return Row(prompt, tuple(range(len(prompt))), params.max_tokens)

    def advance(self, rows, steps, params, hear):
        self.batches.append([len(row) for row in rows])
        self.seeds.append(params.seed)
        self.gate.wait()
        if params.seed is not None:
            return self.run(rows, steps, hear)
        with self.busy:
            return self.run(rows, steps, hear)

    def log_probs(self, ids):
        with self.busy:
            return [[0.5, *ids] for _ in ids]

    def close(self):
        self.closed = True

    def run(self, rows, steps, hear):
        time.sleep(self.reading)
        shortest, made, step = min(map(len, rows)), [0] * len(rows), 0
        open_rows = set(range(len(rows))) if steps else set()
        while open_rows:
            time.sleep(self.seconds)
            for place in sorted(open_rows):
                if step < len(rows[place]) - shortest:
                    continue  # its surplus is read, a token a step
                made[place] += 1
                if hear(place, made[place] - 1) or made[place] == steps:
                    open_rows.discard(place)
            step += 1
        self.made.append(made[0])


SEEDED = SamplingParams(max_tokens=5000, temperature=1.0, seed=7)


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


def test_a_short_request_does_not_wait_for_a_long_one():
    slow = Slow()
    batcher = Batcher(slow)
    long, short = Listener(), Listener()
    batcher.submit(["abc"], replace(GREEDY, max_tokens=10_000), long)
    while not slow.batches:
        time.sleep(0.001)
    batcher.submit(["abd"], replace(GREEDY, max_tokens=2), short)
    short.wait(1)
    assert not long.over
    batcher.close()
    assert len(slow.batches) <= 3


def test_nobody_waits_and_nothing_is_read_again():
    slow = Slow(SLICE_SECONDS / 20)
    batcher = Batcher(slow)
    heard = Listener()
    batcher.submit(["abc"], replace(GREEDY, max_tokens=60), heard)
    assert heard.wait(1) == [list(range(60))]
    batcher.close()
    assert slow.batches == [[3]]


def test_rows_that_are_paused_go_on_where_they_were():
    """Two long requests, short ones between: every token of each comes once and in order."""
    slow = Slow(SLICE_SECONDS / 10)
    batcher = Batcher(slow)
    long, short = Listener(), Listener()
    ticket = batcher.submit(["abc", "abcdef"], replace(GREEDY, max_tokens=45), long)
    for _ in range(2):
        time.sleep(SLICE_SECONDS / 10)
        batcher.submit(["x" * 100], replace(GREEDY, max_tokens=2), short)
        short.wait(1)
        short.over.clear()
    long.wait(2)
    batcher.close()
    assert [len(job.ids) for job in ticket.jobs] == [45, 45]
    lengths = [batch[0] for batch in slow.batches if len(batch) == 2]
    assert len(lengths) >= 3 and lengths == sorted(lengths)
    pairs = [batch for batch in slow.batches if len(batch) == 2]
    assert pairs[0] == [3, 6]
    assert all(a == b for a, b in pairs[1:])  # the first was ahead while the other was read


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


def test_a_slice_is_as_long_as_reading_its_text_took():
    """Two long requests take turns: neither spends most of its slices on being read again."""
    slow = Slow(0.005, reading=2 * SLICE_SECONDS)
    batcher = Batcher(slow)
    heard = [Listener(), Listener()]
    batcher.submit(["abc"], replace(GREEDY, max_tokens=200), heard[0])
    batcher.submit(["abd"], replace(GREEDY, max_tokens=200, top_k=5), heard[1])
    for listener in heard:
        assert [len(row) for row in listener.wait(1)] == [200]
    batcher.close()
    assert len(slow.batches) > 2 and slow.made[0] > 10  # not the one or two of a slice long over


def test_a_batch_is_not_given_up_before_it_has_made_more_than_it_read():
    """Its longer row is 20 tokens ahead, which take 20 steps: it goes on for a hundred."""
    slow = Slow(0.005)
    batcher = Batcher(slow)
    long, short = Listener(), Listener()
    slow.gate.clear()
    batcher.submit(["abc", "x" * 23], replace(GREEDY, max_tokens=300), long)
    batcher.submit(["x" * 200], replace(GREEDY, max_tokens=2), short)
    slow.gate.set()
    short.wait(1)
    batcher.close()
    assert 100 <= slow.made[0] < 200 and slow.batches[:2] == [[3, 23], [200]]


def test_a_row_that_the_model_ends_does_not_wait_for_its_batch():
    class Ends(Slow):
        def advance(self, rows, steps, params, hear):
            def ending(place, token):
                return hear(place, None if place and token == 2 else token)

            super().advance(rows, steps, params, ending)

    batcher = Batcher(Ends())
    heard = Listener()
    batcher.submit(["abc", "abd"], replace(GREEDY, max_tokens=5000), heard)
    with heard.done:
        assert heard.done.wait_for(lambda: heard.over == {1}, 10)
    assert heard.tokens[1] == [0, 1]
    batcher.close()


def test_rows_with_a_repetition_penalty_are_not_paused():
    """What they have made would count as read, and no longer be made less likely."""
    slow = Slow()
    batcher = Batcher(slow)
    penal, short = Listener(), Listener()
    batcher.submit(["abc"], replace(GREEDY, max_tokens=200, repetition_penalty=1.2), penal)
    while not slow.batches:
        time.sleep(0.001)
    batcher.submit(["abd"], replace(GREEDY, max_tokens=2), short)
    short.wait(1)
    batcher.close()
    assert penal.over and slow.batches == [[3], [3]] and slow.made == [200, 2]
