"""Where batches are paused: a short request does not wait, and a long one goes on all the same."""

import time
from dataclasses import replace

from calcgen_ray.generate import batcher as batching
from calcgen_ray.generate.batcher import SLICE_SECONDS, Batcher
from calcgen_ray.generate.engine import SamplingParams
from tests.unit.generate.slow import Listener, Slow

GREEDY = SamplingParams(max_tokens=60, temperature=0)


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


def test_a_batch_is_not_given_up_before_it_has_made_more_than_it_read(monkeypatch):
    """Its longer row is 20 tokens ahead, which take 20 steps: it goes on for a hundred."""
    monkeypatch.setattr(batching, "SLICE_SECONDS", 0.05)
    slow = Slow(0.001)
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
