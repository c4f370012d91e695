"""Each number of a request at its limits and beyond, on every route and in both stream modes.

The limits are those of the bodies' types, which `/openapi.json` tells, too: a number that comes
later is tried with the rest.
"""

import pytest
from pydantic import ValidationError

from calcgen_ray.serving.limits import ChatRequest, CompletionRequest
from tests.unit.serving.test_api import POSITIONS, post, refused

FORMS = {
    "/v1/completions": (CompletionRequest, {"prompt": "x"}),
    "/v1/chat/completions": (ChatRequest, {"messages": [{"role": "user", "content": "x"}]}),
}
WHOLE = {"best_of": (16,), "logprobs": (0, 5), "max_tokens": (0,)}
"""What cannot be streamed is refused by name, however small it is."""


def numbers(kind):
    """Of a body's type: each number's name, its values at the limits, those just beyond."""
    for name, told in kind.model_json_schema()["properties"].items():
        for form in told.get("anyOf", [told]):
            step = {"integer": 1, "number": 1e-6}.get(form.get("type"))
            if step is not None:
                low = form.get("minimum", form.get("exclusiveMinimum", 0) + step)
                high = form.get("maximum", form.get("exclusiveMaximum", POSITIONS + step) - step)
                yield name, (low, high), (low - step, high + step)


CASES = [
    pytest.param(path, stream, *limits, id=f"{path.split('/')[2]}-{limits[0]}-{stream}")
    for path, (kind, _) in FORMS.items()
    for stream in (False, True)
    for limits in numbers(kind)
]


@pytest.mark.parametrize(("path", "stream", "name", "at", "beyond"), CASES)
def test_a_number_is_taken_to_its_limit_and_named_beyond_it(client, path, stream, name, at, beyond):
    body = {**FORMS[path][1], "max_tokens": 2, "stream": stream}
    for value in beyond:
        refused(post(client, path, **{**body, name: value}), param=name)
    for value in at:
        asked = {**body, name: value} | ({"echo": True} if value == 0 else {})
        answer = post(client, path, **asked)
        if stream and value in WHOLE.get(name, ()):
            refused(answer, param="stream" if name == "max_tokens" else name)
        else:
            assert answer.status_code == 200 and '"error":' not in answer.text, answer.text


def test_every_number_is_among_them():
    assert [name for name, _, _ in numbers(CompletionRequest)] == [
        "max_tokens", "temperature", "top_p", "top_k", "repetition_penalty", "n", "seed",
        "best_of", "logprobs",
    ]  # fmt: skip


@pytest.mark.parametrize("path", FORMS)
def test_candidates_are_taken_to_their_limit(path):
    kind, body = FORMS[path]
    for candidates, taken in ((32, True), (33, False), (1, True), (0, False)):
        asked = {**body, "calcgen": {"verify": True, "candidates": candidates}}
        if taken:
            assert kind.model_validate(asked).rows == candidates
        else:
            with pytest.raises(ValidationError, match="candidates"):
                kind.model_validate(asked)
