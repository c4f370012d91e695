"""A job's output: shown line by line, the result kept back, wherever the pieces are cut."""

from hypothesis import given
from hypothesis import strategies as st

from calcgen_ray.jobs import output

LINES = st.lists(st.sampled_from(["step 1", "", "{not json", '{"a": 1}', '{"b": [2]}', "[1]", "é"]))


def shown(pieces):
    heard = output.Output()
    return heard, "".join([*(heard.feed(piece) for piece in pieces), heard.end()])


def test_the_result_is_not_shown():
    heard, said = shown(["train", 'ing\n{"loss": 1', "}\n"])
    assert said == "training\n" and heard.result == {"loss": 1} and heard.last == "training"


def test_what_follows_a_result_shows_it():
    heard, said = shown(['{"loss": 1}\n', "ray says goodbye\n"])
    assert said == '{"loss": 1}\nray says goodbye\n' and heard.result == {"loss": 1}


def test_a_log_without_a_result():
    heard = output.read("error: no\n\n")
    assert heard.result is None and heard.last == "error: no"
    assert output.read("").last == ""


@given(LINES, st.lists(st.integers(1, 9), min_size=1))
def test_cuts_do_not_matter(lines, sizes):
    """All is shown, in order, but a JSON object at the very end."""
    text = "".join(line + "\n" for line in lines)
    pieces, place = [], 0
    while place < len(text):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(text[place : place + size])
        place += size
    heard, said = shown(pieces)
    kept = bool(lines) and output.parse(lines[-1]) is not None
    assert said == "".join(line + "\n" for line in (lines[:-1] if kept else lines))
    objects = [found for line in lines if (found := output.parse(line)) is not None]
    assert heard.result == (objects[-1] if objects else None)
