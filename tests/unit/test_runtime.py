"""A process that is made ready to train."""

import subprocess
import sys

import pytest

PASSES = """
import mmap, resource
from calcgen_ray import runtime
runtime.keep_memory()
for size in (200, 200, 50, 150):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    piece = bytearray(size << 20)
    piece[:: mmap.PAGESIZE] = b"x" * (len(piece) // mmap.PAGESIZE)
    del piece
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
"""Pages that the system gives to passes of so many MB."""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc")
def test_what_a_pass_has_freed_is_there_for_the_next_one():
    told = subprocess.run(
        [sys.executable, "-c", PASSES], stdout=subprocess.PIPE, text=True, check=True
    )
    first, *others = map(int, told.stdout.split())
    assert first > 10_000 and max(others) < 1_000
