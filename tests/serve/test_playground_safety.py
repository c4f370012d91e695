"""The playground in a browser: what a model or a program wrote runs nothing and asks nobody."""

import pytest
from starlette.responses import JSONResponse

from tests.serve.test_playground_support import streamed

pytest_plugins = ["tests.serve.test_playground_support"]
pytestmark = pytest.mark.serve

HTML = "xmlns='http://www.w3.org/1999/xhtml'"
IMAGE = "<img src=x onerror=\"document.title='hacked'\">"
SCRIPT = "</code></pre><script>document.title='hacked'</script>"
COMPLETIONS = "/v1/completions"
RUN = "/v1/run"
MATHML = 'xmlns="http://www.w3.org/1998/Math/MathML"'
EVIL_FORMULAS = [
    IMAGE,
    f"<mi>x</mi>{SCRIPT}",
    f"<mi>x</mi><script {HTML}>document.title='hacked'</script>",
    "<script>document.title='hacked'</script>",
    f"<mtext><img {HTML} src='x' onerror=\"document.title='hacked'\"/></mtext>",
    "<svg xmlns='http://www.w3.org/2000/svg' onload=\"document.title='hacked'\"/>",
    f"<annotation-xml encoding='text/html'><b {HTML}>b</b></annotation-xml>",
    "<semantics><mi>x</mi></semantics>",
    "<maction actiontype='statusline'><mi>x</mi></maction>",
    f"</math><script {HTML}>document.title='hacked'</script><math>",
    "<!DOCTYPE a [<!ENTITY b 'c'>]><mi>&b;</mi>",
    "<?xml-stylesheet href='http://evil.example/a.css'?><mi>x</mi>",
    "<![CDATA[<img src=x>]]>",
    "<mi>x</mi>stray",
    "<!-- <mi>y</mi> --><mi>x</mi>",
    "<mrow>" * 400 + "<mi>x</mi>" + "</mrow>" * 400,
    "<mi/>" * 6000 + "<mi>x</mi>",
    "<mi>x",
    "",
    "   ",
]
HARMLESS = [
    (f"<mi {MATHML} href='javascript:1' onclick='1' style='x' id='go' class='skip'>x</mi>", "x"),
    ("<maths:mi xmlns:maths='http://www.w3.org/1998/Math/MathML' maths:href='x'>x</maths:mi>", "x"),
    ("<mrow><mi>x</mi><mo><</mo><mn>0</mn></mrow>", "x<0"),
    ("<mrow><mn>2</mn><mo>&InvisibleTimes;</mo><mi>&pi;</mi></mrow>", "2\u2062π"),
    ("<mtable><mtr><mtd columnspan='2'><mi mathvariant='normal'>d</mi></mtd></mtr></mtable>", "d"),
]


def ran(**told):
    return JSONResponse({"status": "ran", "error": None, "line": None, "stdout": "", "seconds": 0.1,
                         "result": None, "figures": [], **told})  # fmt: skip


def sampled_and_run(page, text="x = 1\n"):
    page.site.answers[COMPLETIONS] = streamed(text)
    page.ask("Anything.", samples=1)
    page.see("#status", "1 candidate in ")
    page.see(".card-actions button:not(:disabled)", "Run").click()
    page.see(".card .badge")


def assert_harmless(page):
    found = page.run(
        "return [document.title, document.querySelectorAll("
        "'#results :is(script, iframe, object, svg, a, style, link, img:not(.plot))').length]"
    )
    assert found == ["calcgen playground", 0]


def test_what_a_model_writes_is_text(page):
    text = f"x = '{IMAGE}'\n# {SCRIPT}\n{IMAGE}{SCRIPT}"
    sampled_and_run(page, text)
    assert page.code() == text
    assert_harmless(page)


def test_what_a_program_gives_is_text(page):
    forms = {"text": IMAGE, "latex": SCRIPT, "mathml": IMAGE}
    evil = ["x\" onerror=\"document.title='hacked'", "javascript:1", "<svg/>", "iVBORw0KGgo="]
    page.site.answers[RUN] = ran(
        stdout=SCRIPT + IMAGE, error=IMAGE, line=1, result=forms, figures=evil
    )
    sampled_and_run(page)
    assert page.see(".error").text.endswith(IMAGE)
    assert [one.text for one in page.visible(".output pre")] == [SCRIPT + IMAGE]
    assert len(page.all("img.plot")) == 1  # base64, if no picture
    assert_harmless(page)


def test_what_an_endpoint_says_is_text(page):
    error = {"message": IMAGE + SCRIPT, "type": "server_error", "param": None, "code": "x"}
    page.site.answers[COMPLETIONS] = JSONResponse({"error": error}, 500)
    page.site.answers["/v1/models"] = JSONResponse({"data": [{"id": IMAGE}, {"id": SCRIPT}]})
    page.open()
    page.ask("Anything.")
    assert page.see(".notice p").text == IMAGE + SCRIPT
    assert_harmless(page)


def test_a_symbol_that_is_markup_gives_no_element(page):
    name = "<img src=\\'x\\' onerror=\\'document.title=1\\'/>"
    sampled_and_run(page, f"from sympy import *\nresult = Symbol('{name}')**2\n")
    assert "onerror" in page.see(".output pre").text
    assert not page.all(".formula")
    assert_harmless(page)


@pytest.mark.parametrize("mathml", EVIL_FORMULAS, ids=range(len(EVIL_FORMULAS)))
def test_a_formula_with_anything_else_in_it_is_not_shown(page, mathml):
    page.site.answers[RUN] = ran(result={"text": "told", "mathml": mathml})
    sampled_and_run(page)
    assert page.see(".output pre").text == "told" and not page.all(".formula")
    assert_harmless(page)


@pytest.mark.parametrize(("mathml", "text"), HARMLESS, ids=range(len(HARMLESS)))
def test_a_formula_keeps_listed_attributes_only(page, mathml, text):
    page.site.answers[RUN] = ran(result={"text": "told", "mathml": mathml})
    sampled_and_run(page)
    math = page.see(".formula math")
    assert page.run("return arguments[0].textContent", math) == text
    kept = page.run(
        "return Array.from("
        "arguments[0].querySelectorAll('*'), (one) => one.getAttributeNames()).flat()",
        math,
    )
    assert set(kept) <= {"mathvariant", "columnspan"}
    assert_harmless(page)


def test_no_text_can_become_markup_here(page):
    for script in ("document.body.innerHTML = '<b>b</b>'",
                   "new DOMParser().parseFromString('<a/>', 'text/html')",
                   "trustedTypes.createPolicy('other', {createHTML: (text) => text})"):  # fmt: skip
        caught = page.run(f"try {{ {script}; return '' }} catch (e) {{ return e.name }}")
        assert caught == "TypeError", script


def test_nobody_else_is_asked_and_nothing_is_refused(page):
    page.driver.get_log("browser")
    page.open()
    page.ask("Plot x**2 for x from 0 to 1.", temperature=0)
    page.see("#status", "1 candidate in ")
    page.see(".card-actions button:not(:disabled)", "Run").click()
    page.see("img.plot")
    asked = page.run("return performance.getEntriesByType('resource').map((one) => one.name)")
    assert len(asked) > 10
    assert [name for name in asked if not name.startswith((page.site.url, "data:"))] == []
    assert page.driver.get_log("browser") == []
    assert page.run("return document.cookie") == ""
    assert page.run("return localStorage.length + sessionStorage.length") == 0
