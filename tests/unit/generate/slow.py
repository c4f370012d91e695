"""An engine whose every token is known before, and what hears it."""

import threading
import time

from calcgen_ray.generate.rows import Row


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
