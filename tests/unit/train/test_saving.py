"""A save that is cut at any boundary, or that the disk refuses, costs no checkpoint before it."""

import errno
import os
import resource
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from calcgen_ray.errors import CheckpointError, TrainingError
from calcgen_ray.model import checkpoint as checkpoints
from calcgen_ray.model.loading import load_model
from calcgen_ray.train import journal, kept, state
from calcgen_ray.train.kept import Kept
from calcgen_ray.train.optimizer import make_optimizer
from calcgen_ray.training_config import OptimConfig

WRITES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree", "os.truncate"}


@pytest.fixture(scope="module")
def fill(tiny_model):
    model = load_model(str(tiny_model))
    optimizer = make_optimizer(model, OptimConfig())
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    whole = state.gather(model, optimizer, keep=True)

    def write(draft):
        state.write_whole(draft, model, whole)
        state.write_state(draft, {"step": 1})

    return write


@pytest.fixture
def run(fill, tmp_path):
    Kept(tmp_path).write(fill, 1, {"perplexity": 2.0}, keep=1)
    return tmp_path


def in_child(work):
    """Exit code of `work` in a forked process; 0 when it came to its end."""
    child = os.fork()
    if child == 0:
        code = 70
        with suppress(BaseException):
            work()
            code = 0
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def dying_at(number, run, fill):
    """Saves step 2 in a process that ends at its write number `number` in the run's folder."""

    def work():
        count = 0

        def hook(event, arguments):
            nonlocal count
            write = event in WRITES or (event == "open" and (arguments[1] or "r") != "r")
            if write and str(run) in os.fsdecode(str(arguments[0])):
                if count == number:
                    os._exit(9)
                count += 1

        sys.addaudithook(hook)
        Kept(run).write(fill, 2, {"perplexity": 1.0}, keep=1)

    return in_child(work)


def test_a_process_that_dies_at_any_write_leaves_a_whole_checkpoint(run, fill, tmp_path_factory):
    seen, number = [], 0
    while True:
        copy = tmp_path_factory.mktemp("cut") / "run"
        shutil.copytree(run, copy)
        code = dying_at(number, copy, fill)
        newest = checkpoints.latest(copy / kept.CHECKPOINTS)
        assert newest is not None and newest.step in (1, 2)
        assert newest.step == 2 or code == 9
        load_model(str(newest.path))
        Kept(copy).write(fill, 3, {}, keep=1)  # what is left over is in nobody's way
        seen.append(newest.step)
        if code == 0:
            break
        number += 1
    assert len(seen) > 10 and seen == sorted(seen) and set(seen) == {1, 2}


def test_a_file_that_is_cut_anywhere_is_named_and_never_loaded(run, fill):
    root = run / "checkpoints"
    Kept(run).write(fill, 2, {}, keep=2)
    good = shutil.move(root / "step-00000002", run / "good")
    names = [p.relative_to(good) for p in good.rglob("*") if p.is_file()]
    assert len(names) > 4
    for name in names:
        content = (good / name).read_bytes().rstrip(b"\n")  # JSON is whole without its last newline
        for size in sorted({0, 1, 7, 8, len(content) // 2, len(content) - 1}):
            newest = shutil.copytree(good, root / "step-00000002")
            (newest / name).write_bytes(content[:size])
            with pytest.raises(CheckpointError, match=name.name):
                checkpoints.verify(newest)
            assert checkpoints.latest(root).step == 1
            [aside] = root.glob(".broken-*")
            shutil.rmtree(aside)


def test_a_full_disk_is_one_line_and_costs_nothing(run, fill):
    told = run / "told"

    def work():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            Kept(run).write(fill, 2, {}, keep=1)
        except TrainingError as error:
            told.write_text(str(error))

    assert in_child(work) == 0
    assert "step-00000002: could not be saved: File too large; the checkpoints" in told.read_text()
    assert sorted(p.name for p in (run / "checkpoints").iterdir()) == ["step-00000001"]


def failing(monkeypatch, numbers):
    """Lets the next writes fail with these errors, then goes on; the list of those left."""
    left, write = list(numbers), checkpoints.write_folder

    def flaky(*arguments, **options):
        if left:
            number = left.pop(0)
            raise OSError(number, os.strerror(number))
        return write(*arguments, **options)

    monkeypatch.setattr(checkpoints, "write_folder", flaky)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    return left


def test_errors_that_pass_are_tried_again(run, fill, monkeypatch):
    failing(monkeypatch, [errno.EIO, errno.ESTALE, errno.EACCES])
    Kept(run).write(fill, 2, {}, keep=1)
    assert checkpoints.latest(run / kept.CHECKPOINTS).step == 2


@pytest.mark.parametrize("numbers", [[errno.EIO] * 4, [errno.ENOSPC], [errno.EROFS]])
def test_errors_that_stay_end_the_run(run, fill, monkeypatch, numbers):
    left = failing(monkeypatch, numbers)
    with pytest.raises(TrainingError, match=os.strerror(numbers[0])):
        Kept(run).write(fill, 2, {}, keep=1)
    assert not left
    assert checkpoints.latest(run / kept.CHECKPOINTS).step == 1


def test_a_journal_that_cannot_be_written_is_one_line():
    full = Path("/dev/full")
    for attempt in (lambda: journal.append(full, {}), lambda: journal.rewind(Path("/proc/x"), 1)):
        with pytest.raises(TrainingError, match=r"could not be written: .*goes on from the newest"):
            attempt()


def test_a_tokenizer_that_finds_the_disk_full_is_the_same_line(run):
    def fill(draft):
        raise Exception("No space left on device (os error 28)")  # as tokenizers does

    with pytest.raises(TrainingError, match="could not be saved: No space left on device"):
        Kept(run).write(fill, 2, {}, 3)


def test_other_errors_of_a_save_stay_themselves(run):
    def fill(draft):
        raise ValueError("odd")

    with pytest.raises(ValueError, match="odd"):
        Kept(run).write(fill, 2, {}, 3)
