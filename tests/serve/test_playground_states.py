"""The playground in a browser: empty, busy and broken states, keys, themes, small screens."""

import pytest
from selenium.webdriver.common.keys import Keys
from starlette.responses import JSONResponse

from tests.serve.test_playground_support import KEY, Page, streamed

pytest_plugins = ["tests.serve.test_playground_support"]
pytestmark = pytest.mark.serve

COMPLETIONS = "/v1/completions"
CONTRAST = """
const numbers = (colour) => {
  const canvas = document.createElement("canvas").getContext("2d");
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  return Array.from(canvas.getImageData(0, 0, 1, 1).data);
};
const light = ([r, g, b]) => [r, g, b]
  .map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
  .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
const behind = (element) => {
  for (; element; element = element.parentElement) {
    const colour = numbers(getComputedStyle(element).backgroundColor);
    if (colour[3] === 255) return colour;
  }
  return [255, 255, 255];
};
const low = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
  if (element.closest(":disabled, .offscreen")) continue;
  const style = getComputedStyle(element);
  const [a, b] = [light(numbers(style.color)), light(behind(element))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) low.push(`${element.outerHTML.slice(0, 80)} ${ratio.toFixed(2)}`);
}
return low;
"""


def error(status, message, param=None, **headers):
    told = {"message": message, "type": "x", "param": param, "code": "x"}
    return JSONResponse({"error": told}, status, headers)


def narrow(page):
    """How much wider the page is than the screen."""
    return page.run("return document.documentElement.scrollWidth - innerWidth")


def test_examples_fill_and_sample(page):
    page.keep("empty-light")
    examples = page.visible(".examples button")
    assert len(examples) == 3
    wanted = examples[1].get_attribute("data-problem")
    examples[1].click()
    page.see("#status", "2 candidates in ")
    assert page.see("#problem").get_attribute("value") == wanted
    assert not page.visible("#empty") and "integrate" in page.code()


def test_an_empty_problem_is_not_sent(page):
    page.ask("  \n ")
    assert page.run("return document.activeElement.id") == "problem"
    assert page.run("return document.getElementById('problem').validationMessage")
    assert not page.site.asked[COMPLETIONS] and page.visible("#empty")


def test_keys(page):
    page.site.answers[COMPLETIONS] = streamed("x = 1\n", *["y = 2\n"] * 400, pause=0.1)
    page.press("/")
    page.press("Anything.")
    page.press("?")
    assert not page.visible("#shortcuts")  # a question mark may be typed
    page.press(Keys.CONTROL, Keys.ENTER)
    page.see(".line", "x = 1")
    assert page.site.asked[COMPLETIONS][0]["prompt"] == "# Anything.?\n"
    assert page.see("#stop") and not page.visible("#go")
    page.press(Keys.ESCAPE)
    page.see(".badge", "Stopped")
    assert page.see("#go") and page.see("#status", "Stopped.") and page.code().startswith("x = 1")
    page.press(Keys.CONTROL, Keys.SHIFT, Keys.ENTER)
    page.see(".badge.good", "Ran")


def test_the_list_of_keys(page):
    page.run("document.activeElement.blur()")
    page.press("?")
    assert "Ctrl" in page.see("#shortcuts").text
    page.keep("shortcuts")
    page.press(Keys.ESCAPE)
    assert not page.visible("#shortcuts")
    page.see("#help").click()
    page.see("#shortcuts button").click()
    assert not page.visible("#shortcuts")


def test_stopping_frees_the_endpoint(page, playground_backend):
    page.ask("Anything.", samples=16, temperature=2, max_tokens=1000)
    page.see(".line")
    page.press(Keys.ESCAPE)
    page.see("#go")
    page.ask("Differentiate x.", temperature=0)
    page.see("#status", "1 candidate in ")
    assert playground_backend.active == 0


def test_what_came_before_the_connection_broke_stays(page):
    page.site.answers[COMPLETIONS] = streamed("x = 1\n", "y = 2\n", pause=0.1, breaks=True)
    page.ask("Anything.", samples=1)
    assert page.see(".notice h2").text == "The connection was lost"
    assert page.see(".badge.bad", "Broke off") and page.code() == "x = 1\ny = 2"
    page.keep("error-lost")
    page.site.answers.clear()
    page.see(".notice button", "Try again").click()
    page.see("#status", "candidate in ")
    assert not page.visible(".notice")


def test_no_network(page):
    page.offline(True)
    try:
        page.ask("Anything.")
        assert page.see(".notice h2").text == "The connection was lost"
        assert not page.visible(".card")
    finally:
        page.offline(False)
    page.see(".notice button", "Try again").click()
    page.see("#status", "candidates in ")


def test_a_busy_endpoint_is_asked_again_later(page):
    busy = error(429, "128 requests are being served", **{"Retry-After": "2"})
    page.site.answers[COMPLETIONS] = busy
    page.ask("Anything.")
    assert page.see(".notice h2").text == "The endpoint is busy"
    button = page.see(".notice button", "Try again in ")
    assert not button.is_enabled()
    page.keep("error-busy")
    page.site.answers.clear()
    while not button.is_enabled():
        pass
    button.click()
    page.see("#status", "candidates in ")


def test_what_the_endpoint_does_not_take_is_marked(page):
    page.ask("Integrate " + "x + " * 1500 + "1.")
    told = page.see(".notice p").text
    assert told.startswith("prompt: ") and "tokens" in told
    assert page.see("#problem").get_attribute("aria-invalid") == "true"
    page.keep("error-prompt")
    page.set("#problem", "shorter")
    assert page.see("#problem").get_attribute("aria-invalid") is None


def test_an_error_within_a_stream(page):
    event = b'data: {"error": {"message": "the engine failed", "param": null}}\n\n'

    async def broken(scope, receive, send):
        await receive()
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": event})

    page.site.answers[COMPLETIONS] = broken
    page.ask("Anything.")
    assert page.see(".notice p").text == "the engine failed"


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        (error(503, "serve.isolation is strict"), "The sandbox runs no code here"),
        (error(503, "the engine was lost; ask again"), "The engine was lost"),
        (error(404, "running code is switched off here"), "Not served here"),
        (error(429, "16 pieces of code wait"), "The endpoint is busy"),
    ],
)
def test_a_run_that_is_refused_says_why(page, answer, title):
    page.site.answers[COMPLETIONS] = streamed("x = 1\n")
    page.site.answers["/v1/run"] = answer
    page.ask("Anything.", samples=1)
    page.see("#status", "1 candidate in ")
    page.see(".card-actions button", "Run").click()
    assert page.see(".output .error").text.startswith(f"{title}. ")
    page.site.answers.clear()
    page.see(".card-actions button", "Run").click()
    page.see(".badge.good", "Ran")


def test_a_sandbox_that_refuses_to_verify(page):
    page.site.answers[COMPLETIONS] = error(503, "serve.isolation is strict", **{"Retry-After": "1"})
    page.see("#verify").click()
    page.ask("Anything.")
    assert page.see(".notice h2").text == "The sandbox runs no code here"
    assert not page.visible(".card")


def test_a_key_is_asked_for_where_one_is_needed(driver, locked_site):
    page = Page(driver, locked_site)
    field = page.see("#key")
    page.keep("key")
    assert page.run("return document.activeElement.id") == "key"
    field.send_keys("wrong-key-of-length", Keys.ENTER)
    page.see("#key-fault", "That key does not open this endpoint.")
    page.ask("Differentiate x**2 with respect to x.")
    assert page.see("#key") and not page.visible("#key-fault, .notice, .card")
    page.see("#key").send_keys(KEY, Keys.ENTER)
    page.see("#status", "2 candidates in ")  # what was refused is asked again
    assert not page.visible("#key") and page.see("#model-name").text == "embedded"
    page.open()  # the tab keeps it
    assert not page.visible("#key")
    page.see("#forget-key").click()
    page.open()
    assert page.see("#key") and KEY not in page.run("return document.documentElement.outerHTML")


@pytest.mark.parametrize("system", ["light", "dark"])
def test_themes(page, system):
    other = {"light": "dark", "dark": "light"}[system]
    page.prefer(system)
    colour = "return getComputedStyle(document.body).backgroundColor"
    first = page.run(colour)
    button = page.see("#theme")
    assert button.get_attribute("aria-label") == f"Switch to the {other} theme"
    button.click()
    assert page.run(colour) != first
    page.open()
    assert page.run(colour) != first and page.run("return localStorage['calcgen-theme']") == other
    page.see("#theme").click()
    assert page.run(colour) == first


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_contrast(page, scheme):
    page.prefer(scheme)
    assert page.run(CONTRAST) == []
    page.site.answers[COMPLETIONS] = streamed("import a  # b\n", "x = f('s', 1)\n1/0\n")
    page.ask("Anything.", samples=1)
    page.see("#status", "1 candidate in ")
    page.see(".card-actions button:not(:disabled)", "Run").click()
    page.see(".badge.bad")
    page.set("#temperature", 1)
    page.see("#verify").click()
    assert page.run(CONTRAST) == []
    page.site.answers[COMPLETIONS] = error(500, "failed")
    page.see("#go").click()
    page.see(".notice")
    assert page.run(CONTRAST) == []
    page.keep(f"error-{scheme}")


@pytest.mark.parametrize("width", [320, 360])
def test_a_phone_shows_one_column(page, width):
    page.resize(width, 740)
    assert narrow(page) <= 0
    page.keep(f"empty-phone-{width}")
    page.see("#verify").click()
    assert narrow(page) <= 0
    page.see("#verify").click()
    page.ask("Differentiate x**2*sin(x) with respect to x.", temperature=0.4)
    page.see("#status", "2 candidates in ")
    top = "return document.getElementById('results').getBoundingClientRect().top"
    assert 0 <= page.run(top) < 20  # what is new is in sight
    page.see("#run-all").click()
    page.see(".card:nth-child(2) .badge.good")
    first, second = (card.rect for card in page.visible(".card"))
    assert first["x"] == second["x"] and first["y"] + first["height"] <= second["y"]
    assert narrow(page) <= 0
    page.keep(f"run-phone-{width}")


def test_every_field_and_button_has_a_name(page):
    page.site.answers[COMPLETIONS] = streamed("x = 1\n")
    page.ask("Anything.", samples=1)
    page.see("#status", "1 candidate in ")
    page.see("#verify").click()
    page.driver.execute_cdp_cmd("Accessibility.enable", {})
    nodes = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = {"button", "textbox", "spinbutton", "slider", "checkbox", "combobox", "list", "form"}
    nameless = [
        node for node in nodes
        if node.get("role", {}).get("value") in roles and not node.get("ignored")
        and not node.get("name", {}).get("value")
    ]  # fmt: skip
    assert nameless == []


def test_the_focus_is_seen(page):
    page.run("document.activeElement.blur()")
    page.press(Keys.TAB)
    assert page.run("return document.activeElement.className") == "skip"
    for _ in range(4):
        page.press(Keys.TAB)
        style = "return getComputedStyle(document.activeElement).outlineStyle"
        assert page.run(style) != "none"
