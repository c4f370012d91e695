"""When a worker answers Ray Train's controller: Ray's own worker and thread, no cluster."""

import queue
import threading
import time
from types import SimpleNamespace

import pytest
from ray.train.v2._internal.execution.worker_group import thread_runner, worker

from calcgen_ray.train import controller
from calcgen_ray.train.controller import TrainWorker


@pytest.fixture
def training(monkeypatch):
    """A worker, its context, and the event that ends what it trains."""
    over, runner = threading.Event(), thread_runner.ThreadRunner()
    here = SimpleNamespace(result_queue=queue.Queue(1), training_thread_runner=runner)
    context = SimpleNamespace(
        execution_context=here,
        preemption_context=SimpleNamespace(preemption_info=None),
        checkpoint_upload_threadpool=SimpleNamespace(shutdown=lambda: None),
        get_world_rank=lambda: 0,
    )
    for module in (controller, worker):
        monkeypatch.setattr(module, "get_train_context", lambda: context)
    made = TrainWorker()
    made.run_train_fn(SimpleNamespace(get=lambda: lambda: over.wait(30) and "done"))
    yield made, here, over
    over.set()


def timed(call):
    begin = time.monotonic()
    return call(), time.monotonic() - begin


def test_without_news_a_poll_is_kept_for_a_second(training):
    worker, _, _ = training
    status, seconds = timed(worker.poll_status)
    assert status.running and status.training_report is None
    assert seconds >= controller.POLL_SECONDS


@pytest.mark.parametrize("when", [0.0, 0.3])
def test_the_end_and_a_report_are_told_as_they_come(training, when, monkeypatch):
    monkeypatch.setattr(controller, "POLL_SECONDS", 60.0)
    worker, here, over = training
    threading.Timer(when, here.result_queue.put, ["a report"]).start()
    status, told = timed(worker.poll_status)
    assert status.training_report == "a report" and status.running
    threading.Timer(when, over.set).start()
    status, ended = timed(worker.poll_status)
    assert not status.running and status.return_value == "done"
    assert max(told, ended, timed(worker.poll_status)[1]) < controller.POLL_SECONDS / 2
