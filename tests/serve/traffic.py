"""Clients of an endpoint who know the right answer, while something happens to it."""

import json
import threading
import time

import httpx

BODY = {"prompt": "# Differentiate x**2 with respect to x.\n", "max_tokens": 40, "temperature": 0}


class Traffic:
    """Clients that ask in turn from their own threads, every other one for a stream."""

    def __init__(self, url, clients=4, pause=0.0):
        self.url, self.pause, self.going = url, pause, True
        self.right = self.ask(False)
        self.good, self.failed, self.wrong = [], [], []
        self.threads = [threading.Thread(target=self.run, args=(k,)) for k in range(clients)]

    def ask(self, stream):
        """The text of an answer; raises httpx.HTTPError or ValueError where there is none."""
        url, body = f"{self.url}/v1/completions", BODY | {"stream": stream}
        if not stream:
            answer = httpx.post(url, json=body, timeout=30)
            answer.raise_for_status()
            return answer.json()["choices"][0]["text"]
        with httpx.stream("POST", url, json=body, timeout=30) as answer:
            answer.raise_for_status()
            lines = [line[6:] for line in answer.iter_lines() if line.startswith("data: ")]
        if not lines or lines[-1] != "[DONE]":
            raise ValueError("a stream without an end")
        return "".join(json.loads(line)["choices"][0]["text"] for line in lines[:-1])

    def run(self, number):
        while self.going:
            begin = time.monotonic()
            try:
                text = self.ask(number % 2 == 1)
            except (httpx.HTTPError, ValueError) as error:
                self.failed.append((begin, repr(error)))
            else:
                (self.good if text == self.right else self.wrong).append(time.monotonic())
            time.sleep(self.pause)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.going = False
        for thread in self.threads:
            thread.join()
