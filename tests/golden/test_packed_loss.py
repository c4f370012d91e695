"""Packed rows against transformers' own forward pass over each cell apart.

The expected numbers are computed by transformers' CodeGenForCausalLM (5.23), one cell at a time,
with no cache, no mask and no packing.
"""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import CodeGenForCausalLM

from calcgen_ray.model.loss import linear_cross_entropy
from calcgen_ray.model.packed import IGNORE, PackedLM, rotate
from calcgen_ray.model.scoring import score_cells, single_rows
from calcgen_ray.train.batches import fill_rows

KERNELS = ("eager", "sdpa", "matmul")


@pytest.fixture(scope="module")
def model(tiny_model):
    return CodeGenForCausalLM.from_pretrained(tiny_model).eval()


def cells(*lengths, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(1, 4000, (n,), generator=generator).tolist() for n in lengths]


def reference_nats(model, some):
    """Sum of each cell's losses, one forward pass a cell."""
    total = 0.0
    for cell in some:
        ids = torch.tensor([cell])
        with torch.no_grad():
            logits = model(ids, use_cache=False).logits[0, :-1]
        total += F.cross_entropy(logits, ids[0, 1:], reduction="sum").item()
    return total


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("loss", ["fused", "plain", "chunked"])
def test_packed_equals_unpacked(model, kernel, loss):
    some = cells(5, 17, 31, 2, 40)
    rows = fill_rows([[some[0], some[1], some[2]], [some[3], some[4]]], 64)
    with torch.no_grad():
        packed = PackedLM(model, kernel, loss)(rows).item()
    tokens = sum(len(cell) - 1 for cell in some)
    assert int((rows.labels != IGNORE).sum()) == tokens
    assert packed / tokens == pytest.approx(reference_nats(model, some) / tokens, abs=1e-4)


@pytest.mark.parametrize("kernel", KERNELS)
def test_no_cell_sees_another(model, kernel):
    """Changing the first cell of a row changes none of the others' losses."""
    first, other, last = cells(20, 20, 24)
    lm = PackedLM(model, kernel)
    with torch.no_grad():
        before = lm.token_losses(fill_rows([[first, last]], 64))[0, 20:44]
        after = lm.token_losses(fill_rows([[other, last]], 64))[0, 20:44]
    assert torch.equal(before, after)
    assert before.abs().sum() > 0


def test_the_leakage_that_the_test_above_would_catch(model):
    """transformers leaks between cells as soon as it is given an attention mask."""
    first, last = cells(20, 24)
    rows = fill_rows([[first, last]], 44)
    alone = PackedLM(model, "eager").hidden(rows)
    leaky = model.transformer(
        rows.input_ids, position_ids=rows.position_ids, use_cache=False,
        attention_mask=torch.ones_like(rows.input_ids),
    ).last_hidden_state  # fmt: skip
    assert (alone - leaky)[0, 20:].abs().max() > 1e-3


def test_fused_loss_equals_torch(model):
    """Loss and all three gradients of the head, over more than one chunk."""
    generator = torch.Generator().manual_seed(0)
    leaves = [torch.randn(s, generator=generator) for s in ((1100, 16), (50, 16), (50,))]
    labels = torch.randint(0, 50, (1100,), generator=generator)
    ours = [leaf.clone().requires_grad_() for leaf in leaves]
    theirs = [leaf.clone().requires_grad_() for leaf in leaves]
    one = linear_cross_entropy(*ours, labels) * 3
    two = F.cross_entropy(F.linear(*theirs), labels, reduction="sum") * 3
    one.backward()
    two.backward()
    torch.testing.assert_close(one, two)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-4, rtol=1e-4)
    assert linear_cross_entropy(ours[0][:0], ours[1], ours[2], labels[:0]).item() == 0


@pytest.mark.parametrize("kernel", KERNELS)
def test_gradients_equal_those_of_transformers(model, kernel):
    some = cells(9, 30)
    model.zero_grad()
    PackedLM(model, kernel)(fill_rows([some], 48)).backward()
    packed = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    for cell in some:
        ids = torch.tensor([cell])
        logits = model(ids, use_cache=False).logits[0, :-1]
        F.cross_entropy(logits, ids[0, 1:], reduction="sum").backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(packed[name], parameter.grad, atol=2e-4, rtol=2e-4)


@given(st.lists(st.integers(2, 40), min_size=1, max_size=12), st.integers(1, 5))
@settings(max_examples=15, deadline=None)
def test_score_does_not_depend_on_batches(model, lengths, rows_per_batch):
    some = cells(*lengths, seed=sum(lengths))
    score = score_cells(PackedLM(model), some, rows_per_batch=rows_per_batch)
    assert score.tokens == sum(n - 1 for n in lengths)
    assert score.nats == pytest.approx(reference_nats(model, some), rel=1e-4)


def test_single_rows_take_the_causal_kernel(model):
    some = cells(7, 19)
    lm = PackedLM(model, "sdpa")
    rows = single_rows(some)
    with torch.no_grad():
        assert lm(rows, single=True).item() == pytest.approx(lm(rows).item(), rel=1e-5)


def test_rotation_by_hand():
    """One pair at angle t: (1, 0) becomes (cos t, sin t); unrotated dimensions stay."""
    x = torch.tensor([1.0, 0.0, 5.0, 6.0]).view(1, 1, 1, 4)
    angle = torch.tensor([0.3]).view(1, 1, 1, 1)
    turned = rotate(x, angle.sin(), angle.cos()).flatten()
    torch.testing.assert_close(turned, torch.tensor([0.955336, 0.295520, 5.0, 6.0]))
