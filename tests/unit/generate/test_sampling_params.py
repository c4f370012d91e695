"""Sampling settings refuse what no engine can do; seeds and rows are made as documented."""

from __future__ import annotations

import math
import pickle

import pytest

from calcgen_ray.errors import InputError
from calcgen_ray.generate.engine import SamplingParams, open_engine
from calcgen_ray.generate.fake import FakeEngine
from calcgen_ray.generate.rows import finish, make_row, stream_seed
from calcgen_ray.model.loading import load_model_tokenizer
from calcgen_ray.model.tokenizer import encode


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_tokens": 0}, {"temperature": -0.1}, {"temperature": math.nan},
        {"temperature": math.inf}, {"top_p": 0.0}, {"top_p": 1.1}, {"top_p": math.nan},
        {"top_k": -1}, {"n": 0}, {"stop": ("",)}, {"stop": "\n"},
    ],
)  # fmt: skip
def test_values_out_of_range(wrong):
    [name] = wrong
    with pytest.raises(InputError, match=f"^{name}: got .*; allowed"):
        SamplingParams(**wrong)


def test_params_cross_processes():
    params = SamplingParams(stop=("\n\n",), seed=-(2**63))
    assert pickle.loads(pickle.dumps(params)) == params


def test_greedy_is_temperature_zero_or_next_to_it():
    assert SamplingParams(temperature=0).greedy
    assert SamplingParams(temperature=1e-30).greedy
    assert not SamplingParams(temperature=0.01).greedy


def test_stream_seeds():
    seeds = {stream_seed(s, i, k) for s in (0, -1, 2**63 - 1) for i in range(8) for k in range(8)}
    assert len(seeds) == 3 * 64
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert all(0 <= stream_seed(k, bits=32) < 2**32 for k in range(100))
    assert stream_seed(1, 23) != stream_seed(12, 3)


def test_row_is_clamped_to_the_positions():
    tokenizer = load_model_tokenizer("embedded")
    prompt = "x = 1\n"
    size = len(encode(tokenizer, prompt))
    assert make_row(tokenizer, prompt, SamplingParams(max_tokens=5), 100).limit == 5
    assert make_row(tokenizer, prompt, SamplingParams(max_tokens=500), 100).limit == 100 - size
    assert make_row(tokenizer, prompt, SamplingParams(), size + 1).limit == 1
    with pytest.raises(InputError, match=rf"prompt: {size} tokens.* at most {size} "):
        make_row(tokenizer, prompt, SamplingParams(), size)
    assert make_row(tokenizer, "", SamplingParams(), 9).prompt_ids == (tokenizer.eos_token_id,)


def test_end_of_text_typed_in_a_prompt_is_text():
    tokenizer = load_model_tokenizer("embedded")
    row = make_row(tokenizer, "a<|endoftext|>b", SamplingParams(), 99)
    assert tokenizer.eos_token_id not in row.prompt_ids


def test_finish_reason():
    tokenizer = load_model_tokenizer("embedded")
    params = SamplingParams(max_tokens=4, stop=("\n",))
    row = make_row(tokenizer, "x", params, 99)
    ids = encode(tokenizer, "1 + 2 + 3 + 4")
    assert finish(tokenizer, row, ids, params).finish_reason == "length"
    assert finish(tokenizer, row, ids, params).completion_tokens == 4
    assert finish(tokenizer, row, ids[:3], params).finish_reason == "stop"  # end-of-text
    stopped = finish(tokenizer, row, encode(tokenizer, "y\nz"), params)
    assert (stopped.text, stopped.finish_reason) == ("y", "stop")


def test_fake_engine_replies():
    engine = FakeEngine({"# a\n": "result = 1\n"})
    [[told]] = engine.generate(["# a\n"], SamplingParams())
    assert (told.text, told.finish_reason, told.completion_tokens) == ("result = 1\n", "stop", 11)


def test_unknown_engine(tmp_path):
    with pytest.raises(InputError, match="allowed: ctranslate2, transformers"):
        open_engine(tmp_path, "vllm")
