"""What every engine holds to, and what the fast one has in common with the reference."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from transformers import CodeGenConfig, CodeGenForCausalLM

from calcgen_ray.errors import CheckpointError, InputError
from calcgen_ray.generate.convert import to_ctranslate2
from calcgen_ray.generate.engine import SamplingParams, open_engine
from calcgen_ray.generate.fake import FakeEngine
from calcgen_ray.model.loading import load_model_tokenizer
from calcgen_ray.model.tokenizer import decode, encode

POSITIONS = 96
PADDED_ROWS = 64
EXPRESSIONS = ("x**2*sin(x)", "exp(-x)/x", "log(x + 1)", "(3*x - 2)**5", "sqrt(1 - x**2)")
CELLS = [
    "from sympy import symbols, diff\nx = symbols('x')\n",
    "def f(t):\n\treturn t  **  2 # tab,  two  spaces\r\n",
    "s = 'é ∫ ∂ \U0001d465'\n\n\n    y = 1234567890\n",
    " leading space, trailing spaces   ",
    "x",
    "# <|endoftext|> typed in\n",
    *(f"# Differentiate {e} with respect to x.\n" for e in EXPRESSIONS),
    *(f"from sympy import *\nx = symbols('x')\nresult = integrate({e}, x)\n" for e in EXPRESSIONS),
    *(f"# Find the limit of {e} as x goes to 0.\nfrom sympy import limit\n" for e in EXPRESSIONS),
]
GREEDY = SamplingParams(max_tokens=40, temperature=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model that attends sharply, and whose padded rows are what it likes best."""
    folder = tmp_path_factory.mktemp("padded")
    tokenizer = load_model_tokenizer("embedded")
    torch.manual_seed(1)
    config = CodeGenConfig(
        vocab_size=len(tokenizer) + PADDED_ROWS, n_positions=POSITIONS, n_ctx=POSITIONS, n_embd=64,
        n_layer=2, n_head=4, rotary_dim=16, initializer_range=0.2, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model = CodeGenForCausalLM(config)
    with torch.no_grad():
        model.lm_head.bias[len(tokenizer) :] = 30.0
        model.lm_head.bias[0] = -30.0  # end-of-text
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder):
    return load_model_tokenizer(str(folder))


@pytest.fixture(scope="module")
def fast(folder):
    engine = open_engine(folder, "ctranslate2", "float32")
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def reference(folder):
    engine = open_engine(folder, "transformers")
    yield engine
    engine.close()


@pytest.fixture(scope="module", params=["ctranslate2", "transformers", "fake"])
def engine(request):
    names = {"ctranslate2": "fast", "transformers": "reference"}
    if request.param == "fake":
        return FakeEngine(max_tokens_total=POSITIONS)
    return request.getfixturevalue(names[request.param])


def texts(groups):
    return [[completion.text for completion in group] for group in groups]


# ---- every engine ----


def test_n_samples_for_each_prompt(engine):
    prompts = ["x = ", "# a\n", "y"]
    params = SamplingParams(max_tokens=40, temperature=1.5, n=4)
    groups = engine.generate(prompts, params)
    assert [len(group) for group in groups] == [4, 4, 4]
    for prompt, group in zip(prompts, groups, strict=True):
        assert {completion.prompt for completion in group} == {prompt}
        assert len({completion.text for completion in group}) == 4
        assert all(0 < completion.completion_tokens <= 40 for completion in group)


def test_greedy_is_repeatable_and_its_samples_are_equal(engine):
    [group] = engine.generate(["x = "], SamplingParams(max_tokens=12, temperature=0, n=3))
    [[again]] = engine.generate(["x = "], SamplingParams(max_tokens=12, temperature=0))
    assert [completion.text for completion in group] == [again.text] * 3


def test_no_prompts(engine):
    assert engine.generate([], GREEDY) == []


def test_stop_string_that_spans_tokens(engine):
    [[whole]] = engine.generate(["x = "], GREEDY)
    for place in (1, 7, len(whole.text) // 2):
        stop = whole.text[place : place + 9]
        params = SamplingParams(max_tokens=40, temperature=0, stop=("never there", stop))
        [[cut]] = engine.generate(["x = "], params)
        assert cut.text == whole.text[: whole.text.index(stop)]
        assert cut.finish_reason == "stop"
        assert cut.completion_tokens <= whole.completion_tokens


def test_stop_string_ends_one_row_and_not_its_mates(engine):
    prompts = ["x = ", "# a\n", "y = symbols('y')\n"]
    wholes = engine.generate(prompts, GREEDY)
    stop = wholes[1][0].text[3:9]
    params = SamplingParams(max_tokens=40, temperature=0, stop=(stop,))
    for [whole], [cut] in zip(wholes, engine.generate(prompts, params), strict=True):
        assert cut.text == whole.text.split(stop)[0]


def test_stop_string_that_is_not_there_changes_nothing(engine):
    params = SamplingParams(max_tokens=40, temperature=0, stop=("\x00 never",))
    assert engine.generate(CELLS[:4], params) == engine.generate(CELLS[:4], GREEDY)


@pytest.mark.parametrize("seed", [0, 7, -(2**63), 2**63 - 1])
def test_a_seed_gives_the_same_texts(engine, seed):
    params = SamplingParams(max_tokens=20, temperature=1.0, n=3, seed=seed)
    first = engine.generate(["x = ", "# a\n"], params)
    engine.generate(["other"], SamplingParams(max_tokens=9, temperature=1.0))
    engine.generate(["other"], SamplingParams(max_tokens=9, temperature=1.0, seed=99))
    assert engine.generate(["x = ", "# a\n"], params) == first
    assert len({text for [*group] in texts(first) for text in group}) == 6
    assert first[0][0].seed == seed


def test_seeds_differ_and_no_seed_is_chance(engine):
    def draw(seed):
        params = SamplingParams(max_tokens=20, temperature=1.0, seed=seed)
        return engine.generate(["x = "], params)[0][0].text

    assert len({draw(seed) for seed in (1, 2, 2**32 + 1, 2**32 + 2, -1, None, None, None)}) == 8


def test_seeded_texts_do_not_depend_on_what_else_runs(engine):
    seeded = SamplingParams(max_tokens=20, temperature=1.0, n=2, seed=5)
    alone = texts(engine.generate(["x = "], seeded))
    plain = SamplingParams(max_tokens=20, temperature=1.0, n=2)
    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(engine.generate, ["x = "], p) for p in [seeded, plain, seeded] * 3]
        found = [texts(job.result()) for job in jobs]
    assert [found[i] == alone for i in range(9)] == [True, False, True] * 3


def test_prompt_and_new_tokens_stay_within_the_positions(engine):
    prompts = ["x", "x = symbols('x')\n", "ab " * 10]
    for params in (SamplingParams(10**6, 0), SamplingParams(10**6, 1.0, n=2)):
        for group in engine.generate(prompts, params):
            for completion in group:
                total = completion.prompt_tokens + completion.completion_tokens
                assert total == engine.max_tokens_total
                assert completion.finish_reason == "length"


def test_prompt_that_leaves_no_room(engine):
    long = "0" * engine.max_tokens_total  # digits are tokens of their own
    with pytest.raises(InputError, match=f"{POSITIONS} tokens.* at most {POSITIONS} "):
        engine.generate(["x", long], GREEDY)
    [[last]] = engine.generate([long[1:]], GREEDY)
    assert (last.completion_tokens, last.finish_reason) == (1, "length")


def test_empty_prompt(engine):
    [[empty], [other]] = engine.generate(["", "x = symbols('x')\n"], GREEDY)
    assert empty.prompt == ""
    assert empty.prompt_tokens == 1
    assert empty.text
    assert engine.generate([""], GREEDY) == [[empty]]
    assert engine.generate(["x = symbols('x')\n"], GREEDY) == [[other]]


def test_one_token_prompt_among_longer_ones(engine):
    alone = [engine.generate([cell], GREEDY)[0] for cell in CELLS]
    assert engine.generate(CELLS, GREEDY) == alone
    assert engine.generate(CELLS[::-1], GREEDY) == alone[::-1]


# ---- the fast engine and the reference ----


def test_greedy_answers_are_equal(fast, reference):
    assert len(CELLS) > 20
    found, wanted = fast.generate(CELLS, GREEDY), reference.generate(CELLS, GREEDY)
    assert found == wanted
    assert len({text for [text] in texts(wanted)}) > 15  # the model does read its prompt


def test_narrow_nucleus_top_one_and_low_temperature_are_greedy(fast, reference):
    for engine in (fast, reference):
        wanted = texts(engine.generate(CELLS[:5], GREEDY))
        for narrow in ({"top_p": 1e-9}, {"top_k": 1}, {"temperature": 1e-7}):
            params = SamplingParams(**{"max_tokens": 40, "temperature": 1.0, **narrow})
            assert texts(engine.generate(CELLS[:5], params)) == wanted


def test_padded_rows_are_never_sampled(fast, reference):
    for engine in (fast, reference):
        params = SamplingParams(max_tokens=80, temperature=2.0, n=8, seed=1)
        [group] = engine.generate(["x"], params)
        assert sum(completion.completion_tokens for completion in group) > 300
        for completion in group:  # a padded row has no text, any other token a byte or more
            assert len(completion.text.encode()) >= completion.completion_tokens


def test_int8_too_rules_padded_rows_out(folder, tmp_path):
    engine = open_engine(folder, "ctranslate2")
    [[completion]] = engine.generate(["x"], SamplingParams(max_tokens=80, temperature=2.0))
    engine.close()
    assert len(completion.text.encode()) >= completion.completion_tokens


def test_nucleus_is_taken_after_the_temperature(fast, reference):
    """At temperature 0.1 and top_p 0.5 both draw from the same few first tokens."""
    params = SamplingParams(max_tokens=1, temperature=0.5, top_p=0.5, n=400, seed=3)
    for cell in CELLS[:3]:
        [found], [wanted] = texts(fast.generate([cell], params)), texts(
            reference.generate([cell], params)
        )  # fmt: skip
        common = set(found) & set(wanted)
        assert sum(text in common for text in found) > 0.9 * len(found)
        assert sum(text in common for text in wanted) > 0.9 * len(wanted)


def test_tokenizer_brings_cells_back(tokenizer):
    for cell in CELLS:
        assert decode(tokenizer, encode(tokenizer, cell)) == cell


def test_exit_without_close_after_a_stop_string(folder):
    """A generator that called back and outlives the interpreter would abort it: code 134."""
    code = f"""
        from pathlib import Path
        from calcgen_ray.generate.engine import SamplingParams, open_engine
        engine = open_engine(Path({str(folder)!r}))
        engine.generate(["x = "], SamplingParams(max_tokens=20, stop=("zzz",)))
        engine.generate(["x = "], SamplingParams(max_tokens=20, stop=("zzz",), seed=1))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True)
    assert (done.returncode, done.stderr, done.stdout) == (0, b"", b"")


def test_closed_engines_say_so(folder):
    for engine in (open_engine(folder), open_engine(folder, "transformers"), FakeEngine()):
        engine.close()
        engine.close()
        with pytest.raises(InputError, match="closed"):
            engine.generate(["x"], GREEDY)


def test_types_that_this_machine_has_not(folder):
    for name in ("ctranslate2", "transformers"):
        with pytest.raises(InputError, match="compute_type: got 'int3'"):
            open_engine(folder, name, "int3")


def test_folder_that_is_no_checkpoint(tmp_path):
    for name in ("ctranslate2", "transformers"):
        with pytest.raises(CheckpointError, match=r"config\.json"):
            open_engine(tmp_path, name)


def test_entry_uses_its_own_int8_weights(folder, tmp_path, monkeypatch):
    import shutil

    from calcgen_ray.generate import weights

    entry = shutil.copytree(folder, tmp_path / "entry")
    to_ctranslate2(entry, entry / "engine-int8")
    monkeypatch.setattr(weights, "to_ctranslate2", None)
    engine = open_engine(entry)
    assert engine.generate(["x"], GREEDY)[0][0].text
    engine.close()
