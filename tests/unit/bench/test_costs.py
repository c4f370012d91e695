"""The cost model by hand, and the document that quotes it."""

from dataclasses import replace
from pathlib import Path

import pytest

from calcgen_ray.bench import costs
from calcgen_ray.bench.costs import A100, SIZES, step

DOCUMENT = Path(__file__).parents[3] / "cluster" / "SCALING.md"
SMALL, _, SIX, _ = SIZES


def test_one_worker_only_computes():
    one = step(SMALL, A100, 1, "ddp")
    assert one.seconds == pytest.approx(6 * 356e6 * 524_288 / (0.4 * 312e12))
    assert one.efficiency == 1.0


def test_ddp_by_hand():
    """512 workers have 1,024 tokens each: one pass, whose backward hides nothing to speak of."""
    many = step(SMALL, replace(A100, hop_s=0.0), 512, "ddp")
    compute = 6 * 356e6 * 1024 / (0.4 * 312e12)
    wire = 2 * 511 / 512 * 4 * 356e6 / 50e9
    assert many.seconds == pytest.approx(compute + wire - 2 / 3 * compute)


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
def test_more_workers_are_never_more_efficient(size, strategy):
    found = [step(size, A100, n, strategy).efficiency for n in costs.COUNTS]
    assert found == sorted(found, reverse=True)
    assert costs.stops_paying([step(size, A100, n, strategy) for n in costs.COUNTS]) >= 8


def test_what_does_not_fit():
    """6 B parameters hold 16 bytes each: 113 GB of 40."""
    assert not costs.fits(SIX, A100, 1, "ddp") and not costs.fits(SIX, A100, 512, "ddp")
    assert not costs.fits(SIX, A100, 2, "fsdp") and costs.fits(SIX, A100, 4, "fsdp")


def test_two_workers_by_hand():
    assert costs.predicted_speedup(1.0, 1e9, 1e10) == pytest.approx(2 / 1.1)


def test_the_document_holds_the_models_tables():
    text = DOCUMENT.read_text("utf-8")
    assert all(line in text for line in costs.tables())
