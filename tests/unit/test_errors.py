"""Every error survives the way between Ray processes, and has an exit code."""

import pickle

import pytest

from calcgen_ray import errors

CLASSES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and value.__module__ == errors.__name__
]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda k: k.__name__)
def test_pickling(kind):
    again = pickle.loads(pickle.dumps(kind("what, value, allowed")))
    assert type(again) is kind and str(again) == "what, value, allowed"
    other = 143 if kind is errors.StoppedError else 1
    assert again.exit_code == (2 if issubclass(kind, errors.InputError) else other)


def test_the_tree_in_the_docstring_is_the_tree():
    assert all(kind.__name__ in errors.__doc__ for kind in CLASSES)
