"""Our own client against a real endpoint."""

import pytest

from calcgen_ray.errors import InputError, ServeError
from calcgen_ray.serving import client

pytestmark = pytest.mark.serve

PROMPT = "# Differentiate x**3 with respect to x.\n"


def test_our_client(url):
    options = {"max_tokens": 9, "temperature": 1.0, "seed": 3}
    [one] = client.complete(url, PROMPT, **options)
    assert client.complete(f"{url}/v1/", PROMPT, **options) == [one]
    assert (one.prompt, one.seed) == (PROMPT, 3)
    assert 0 < one.completion_tokens <= 9
    assert len(client.complete(url, PROMPT, n=3, max_tokens=4)) == 3


def test_our_client_tells_what_went_wrong(url, free_port):
    with pytest.raises(InputError, match="max_tokens: got 1000000; at most 256"):
        client.complete(url, PROMPT, max_tokens=10**6)
    with pytest.raises(InputError, match="served here: tiny"):
        client.complete(url, PROMPT, model="other")
    with pytest.raises(ServeError, match=r"nothing answers there.*calcgen serve"):
        client.complete(f"http://127.0.0.1:{free_port()}", PROMPT)
    for wrong in ("127.0.0.1:8000", "http://", "", "http://[", "ftp://x"):
        with pytest.raises((InputError, ServeError)) as caught:
            client.complete(wrong, PROMPT)
        assert "\n" not in str(caught.value)


def test_pieces_are_the_whole(url):
    options = {"max_tokens": 30, "temperature": 0.0}
    [whole] = client.complete(url, PROMPT, **options)
    pieces = list(client.stream(url, PROMPT, **options))
    assert "".join(pieces) == whole.text and len(pieces) > 3
    for piece in client.stream(url, PROMPT, **options):
        assert whole.text.startswith(piece)
        break
    with pytest.raises(InputError, match="max_tokens"):
        list(client.stream(url, PROMPT, max_tokens=10**6))


def test_run_and_solve(url):
    ran = client.run(url, "result = 6 * 7\nprint('seen')")
    assert ran.ran and ran.result["text"] == "42" and ran.stdout == "seen\n"
    broken = client.run(url, "1 / 0")
    assert not broken.ran and "ZeroDivisionError" in broken.error
    answers = client.solve(url, "Differentiate x**3.", n=2, candidates=3, max_tokens=8)
    assert len(answers) == 2 and answers[0].code.startswith("# Differentiate x**3.\n")
    assert all(one.verdict in ("equal", "different", "unknown") for one in answers)
