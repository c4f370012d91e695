"""Text that grows: the pieces joined are the whole, whatever the tokens."""

from hypothesis import example, given
from hypothesis import strategies as st

from calcgen_ray.generate.stops import cut
from calcgen_ray.generate.streaming import GrowingText
from calcgen_ray.model.loading import load_model_tokenizer
from calcgen_ray.model.tokenizer import decode, encode

TOKENIZER = load_model_tokenizer("embedded")
texts = st.text(st.characters(codec="utf-8", exclude_characters="�"), max_size=40)


@given(texts, st.lists(st.text("ab\n", min_size=1, max_size=3), max_size=3))
def test_the_pieces_are_the_whole(text, stops):
    ids = encode(TOKENIZER, text)
    growing, pieces = GrowingText(TOKENIZER, stops), []
    for token in ids:
        pieces.append(growing.add(token))
        if growing.stopped:
            break
    pieces.append(growing.end())
    # An engine stops at the first token that completes a stop string.
    wholes = [cut(decode(TOKENIZER, ids[:size]), stops) for size in range(len(ids) + 1)]
    wanted, stopped = next((one for one in wholes if one[1]), wholes[-1])
    assert "".join(pieces) == wanted and growing.stopped == stopped


@given(st.lists(st.integers(0, len(TOKENIZER) - 1), max_size=30))
@example([70, 1999, 1894])  # the second one is a half, a whole and a half character
def test_tokens_that_are_no_text_are_shown_as_they_decode(ids):
    growing = GrowingText(TOKENIZER)
    pieces = [*(growing.add(token) for token in ids), growing.end()]
    assert "".join(pieces) == decode(TOKENIZER, ids)


def test_a_long_text_is_not_decoded_over_and_over():
    class Counting:
        decoded = 0

        def decode(self, ids, **_):
            self.decoded += len(ids)
            return bytes(ids).decode("utf-8", "replace")

    text, tokenizer = "xπ∫𝑥" * 200, Counting()
    growing = GrowingText(tokenizer, ["\n\n"])
    pieces = [*(growing.add(token) for token in text.encode()), growing.end()]
    assert "".join(pieces) == text and tokenizer.decoded < 12 * len(text.encode())


def test_half_a_character_is_held_back():
    ids = encode(TOKENIZER, "π∫")
    growing = GrowingText(TOKENIZER)
    pieces = [growing.add(token) for token in ids]
    assert "�" not in "".join(pieces) and "".join(pieces) == "π∫"
    assert any(piece == "" for piece in pieces)


def test_the_beginning_of_a_stop_string_is_held_back():
    growing = GrowingText(TOKENIZER, ["\n\n#"])
    shown = "".join(growing.add(token) for token in encode(TOKENIZER, "x = 1\n\n"))
    assert shown == "x = 1" and growing.end() == "\n\n"
