"""A job is followed through the silence of its head, whose answers are made up here."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from calcgen_ray.errors import InputError, JobError
from calcgen_ray.jobs import driver
from calcgen_ray.jobs.driver import Jobs

LOG = "step 1\nstep 2\n{}\n"
JOB = {"type": "SUBMISSION", "submission_id": "one", "entrypoint": "calcgen train", "message": "",
       "metadata": {}, "start_time": 1000, "end_time": None, "job_id": None,
       "driver_info": None}  # fmt: skip


class Head(ThreadingHTTPServer):
    """A dashboard without a stream of logs; `silent` until a time, `left` answers of RUNNING."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.silent, self.left = 0.0, 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        head = self.server
        if time.monotonic() < head.silent:
            return self.tell(503, {})
        if self.path == "/api/version":
            return self.tell(200, {"ray_version": "2.60.0", "version": "4"})
        if self.path == "/api/jobs/one":
            head.left -= 1
            return self.tell(200, {**JOB, "status": "RUNNING" if head.left >= 0 else "SUCCEEDED"})
        if self.path == "/api/jobs/one/logs":
            return self.tell(200, {"logs": LOG})
        return self.tell(404, {})

    def tell(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *words):
        pass


@pytest.fixture
def head():
    with Head() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def test_what_a_lost_connection_left_out_is_told_once_the_job_is_over(head):
    head.left = 1
    assert "".join(Jobs(head.url, None).follow("one")) == LOG


def test_a_head_may_be_silent_for_a_while(head, monkeypatch):
    jobs = Jobs(head.url, None)
    head.left, head.silent = 1, time.monotonic() + 3
    assert "".join(jobs.follow("one")) == LOG
    monkeypatch.setattr(driver, "LOST_SECONDS", 1.0)
    head.silent = time.monotonic() + 60
    with pytest.raises(JobError, match="one: lost sight of it"):
        list(jobs.follow("one"))


def test_a_job_that_the_head_no_longer_knows_is_not_waited_for(head):
    with pytest.raises(InputError, match="no job 'two'"):
        list(Jobs(head.url, None).follow("two"))
