"""The playground in a browser: sampling, running, verifying, over the embedded model."""

import time

import pytest
from starlette.responses import JSONResponse

from calcgen_ray.generate.engine import SamplingParams
from calcgen_ray.problem import as_prompt
from tests.serve.test_playground_support import streamed

pytest_plugins = ["tests.serve.test_playground_support"]
pytestmark = pytest.mark.serve

DERIVATIVE = "Differentiate x**2*sin(x) with respect to x."
PLOT = "Plot exp(-x)*cos(3*x) for x from 0 to 6."
COMPLETIONS = "/v1/completions"


def test_what_is_streamed_is_what_the_model_wrote(page, playground_backend):
    page.ask(DERIVATIVE, temperature=0)
    page.see("#status", "1 candidate in ")
    engine = playground_backend.models.live.batcher.engine
    [[wanted]] = engine.generate([as_prompt(DERIVATIVE)], SamplingParams(192, temperature=0))
    assert page.code() == wanted.text.rstrip("\n") != ""
    [asked] = page.site.asked[COMPLETIONS]
    assert asked == {"prompt": f"# {DERIVATIVE}\n", "temperature": 0, "n": 1, "max_tokens": 192,
                     "stream": True}  # fmt: skip
    assert page.visible(".code .keyword") and page.visible(".code .call")


def test_code_is_shown_as_it_comes(page):
    page.site.answers[COMPLETIONS] = streamed("import ", "sympy\n", *["x = 1\n"] * 20, pause=0.2)
    page.ask("Anything.", samples=1)
    page.see(".line", "import sympy")
    assert page.see(".card").get_attribute("aria-busy") == "true"
    page.keep("streaming")
    seen = len(page.code().splitlines())
    page.see("#status", "1 candidate in ")
    assert seen < len(page.code().splitlines()) == 21
    assert page.see(".card").get_attribute("aria-busy") == "false"


def test_candidates_stand_side_by_side(page):
    page.ask(DERIVATIVE, samples=3, temperature=0.8, seed=7)
    page.see("#status", "3 candidates in ")
    first, second, third = (card.rect for card in page.visible(".card"))
    assert first["y"] == second["y"] < third["y"] and first["x"] + first["width"] <= second["x"]
    [asked] = page.site.asked[COMPLETIONS]
    assert asked["n"] == 3 and asked["seed"] == 7


def test_pieces_go_to_their_own_candidate(page):
    pieces = [(1, "b = "), (0, "a = "), (1, "2\n"), (0, "1\n")]
    page.site.answers[COMPLETIONS] = streamed(*pieces)
    page.ask("Anything.", samples=2)
    page.see("#status", "2 candidates in ")
    assert (page.code(1), page.code(2)) == ("a = 1", "b = 2")


def test_temperature_0_asks_for_one(page):
    page.set("#temperature", 0)
    assert not page.see("#samples").is_enabled()
    page.see("#verify").click()
    page.ask(DERIVATIVE)
    page.see("#status", "1 candidate in ")
    assert page.site.asked[COMPLETIONS][-1]["n"] == 1
    page.set("#temperature", 0.1)
    assert page.see("#samples").is_enabled()


def test_a_run_shows_formula_and_output(page):
    page.ask(DERIVATIVE, temperature=0)
    page.see(".card-actions button:not(:disabled)", "Run").click()
    math = page.see(".formula math")
    assert math.get_attribute("alttext") == "x**2*cos(x) + 2*x*sin(x)"
    assert page.run("return arguments[0].namespaceURI", math).endswith("MathML")
    assert page.run("return arguments[0].querySelectorAll('msup').length", math) == 1
    assert page.see(".badge.good", "Ran") and page.see(".output pre").text == math.get_attribute(
        "alttext"
    )


def test_a_run_shows_the_plot(page):
    page.ask(PLOT, temperature=0)
    page.see("#status", "1 candidate in ")
    page.see(".card-actions button", "Run").click()
    plot = page.see("img.plot")
    assert page.run("return arguments[0].naturalWidth > 300 && arguments[0].complete", plot)
    assert plot.get_attribute("alt")
    page.see("summary", "Values").click()
    assert page.see("details pre").text.startswith("[")
    page.see("summary").click()
    page.keep("plot-light")
    page.prefer("dark")
    page.keep("plot-dark")


def test_run_all_runs_each(page):
    page.site.answers[COMPLETIONS] = streamed((0, "result = 1\n"), (1, "print('two')\n"))
    page.ask("Anything.", samples=2)
    page.see("#run-all").click()
    page.see(".card:nth-child(2) .output", "two")
    assert page.see(".card:nth-child(1) .output", "1")
    assert [one["code"] for one in page.site.asked["/v1/run"]] == [
        "# Anything.\nresult = 1\n\n", "# Anything.\nprint('two')\n\n",
    ]  # fmt: skip


@pytest.mark.parametrize("problem", ["Anything.", "# Two\n# lines", "from math import *\n"])
def test_an_error_names_the_line_that_is_shown(page, problem):
    page.site.answers[COMPLETIONS] = streamed("x = 1\n", "1/0\n")
    page.ask(problem, samples=1)
    page.see(".card-actions button:not(:disabled)", "Run").click()
    page.see(".badge.bad", "Failed")
    line = 3 if problem.startswith("from") else 2
    assert page.see(".error").text.startswith(f"Line {line}: ZeroDivisionError")
    assert page.see(".line.wrong").text == "1/0"
    page.keep("run-error")


def test_verified_answers_show_verdicts(page):
    page.see("#verify").click()
    page.set("#expected", "2*x*sin(x) + x**2*cos(x)")
    page.ask(DERIVATIVE, temperature=0.4, candidates=3, samples=2)
    page.see(".badge.good", "Right")
    assert page.see(".badge.plain", "of 3 agree") and page.see(".formula math")
    [asked] = page.site.asked[COMPLETIONS]
    expected = {"kind": "expression", "value": "2*x*sin(x) + x**2*cos(x)"}
    assert asked["calcgen"] == {"verify": True, "candidates": 3, "expected": expected}
    assert "stream" not in asked
    page.see("#status", ", checked against what you expect.")
    page.keep("verified")
    page.set("#expected", "")
    page.see("#go").click()
    page.see("#status", ", checked as derivative")


def test_every_verdict_and_outcome_has_its_badge(page):
    told = {"stdout": "", "seconds": 0.1, "result": None, "figures": [], "candidates": 4,
            "error": None, "line": None}  # fmt: skip
    found = [("equal", "ran"), ("different", "failed"), ("unknown", "timeout"), (None, "memory")]
    choices = [
        {"index": index, "text": f"x = {index}\n", "finish_reason": "stop",
         "calcgen": {**told, "status": status, "agreeing": 2 * (status == "ran"),
                     **({"verdict": verdict} if verdict else {})}}
        for index, (verdict, status) in enumerate(found)
    ]  # fmt: skip
    page.site.answers[COMPLETIONS] = JSONResponse({"choices": choices})
    page.see("#verify").click()
    page.ask("Anything.", samples=4)
    page.see(".card:nth-child(4) .badge")
    words = [" ".join(one.text for one in card.find_elements("css selector", ".badge"))
             for card in page.visible(".card")]  # fmt: skip
    assert [" ".join(text.split()) for text in words] == [
        "✓ Right 2 of 4 agree", "✕ Wrong ✕ Failed", "? Undecided ✕ Took too long",
        "✕ Out of memory",
    ]  # fmt: skip
    page.keep("verdicts")


def test_words_become_comments_as_in_python(page):
    for words in ("Derive x.", "  two\nlines \n", "Let y = x**2. Find it.", "f(x) = x**2", "a\n\nb",
                  "y = x**2 where x is real", "if x = 2, what is y?"):  # fmt: skip
        made = page.imported("prompt.js", "asPrompt", words)
        assert made == {"prompt": as_prompt(words), "lead": ""}
    for comments in ("# Derive x.", "# a\n# b\n", "#a"):
        assert (
            page.imported("prompt.js", "asPrompt", comments)["prompt"] == comments.rstrip() + "\n"
        )
    for code in ("import sympy", "from math import *\nx", "# a\nx = symbols('x')\nresult =",
                 "def f(x):\n    return", "for k in range(3):\n",
                 "x, y = symbols('x y')"):  # fmt: skip
        assert page.imported("prompt.js", "asPrompt", code) == {"prompt": code, "lead": code}


def test_colours_change_no_character(page):
    code = (
        's = f\'a{x}\' + """two\n# no comment"""  # yes\n1.5e-3j ∂x \'open\n\tλ = r"\\""; \x00 🙂'
    )
    pairs = page.imported("highlight.js", "tokens", code)
    assert "".join(text for _, text in pairs) == code
    kinds = {text: kind for kind, text in pairs if kind}
    assert kinds["# yes"] == "comment" and kinds["1.5e-3j"] == "number"
    assert kinds['"""two\n# no comment"""'] == kinds["f'a{x}'"] == kinds["'open"] == "string"


def test_copying_says_so(page):
    grant = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    page.driver.execute_cdp_cmd("Browser.grantPermissions", grant)
    page.site.answers[COMPLETIONS] = streamed("x = 1\n")
    page.ask("Anything.", samples=1)
    page.see("#status", "1 candidate in ")
    page.see(".card-actions button", "Copy").click()
    page.see(".card-actions button", "Copied")
    read = "navigator.clipboard.readText().then(arguments[0])"
    assert page.driver.execute_async_script(read) == "x = 1\n"
    time.sleep(1.8)
    assert page.see(".card-actions button").text == "Copy"


def test_several_models_can_be_chosen_from(page):
    cards = [{"id": name, "max_model_len": 256} for name in ("live", "older")]
    page.site.answers["/v1/models"] = JSONResponse({"data": cards})
    page.site.answers[COMPLETIONS] = streamed("x\n")
    page.open()
    assert page.see("#max-tokens").get_attribute("max") == "256"
    page.ask("Anything.")
    page.see("#status", "candidates in ")
    page.set("#model", "older")
    page.see("#go").click()
    while len(page.site.asked[COMPLETIONS]) < 2:
        time.sleep(0.05)
    assert [one.get("model") for one in page.site.asked[COMPLETIONS]] == [None, "older"]
