"""What a statement alone says about the right result."""

import pytest

from calcgen_ray.serving.known import names, read, recognise


@pytest.mark.parametrize(
    ("statement", "family", "call"),
    [
        (
            "Differentiate sin(x**2)*exp(x) with respect to x.",
            "derivative",
            "diff(sin(x**2)*exp(x), x, 1)",
        ),
        ("Find the derivative of x^3.", "derivative", "diff(x**3, x, 1)"),
        (
            "please compute the second derivative of f(t) = t*cos(t)",
            "derivative",
            "diff(t*cos(t), t, 2)",
        ),
        ("Differentiate tan(u) twice by u", "derivative", "diff(tan(u), u, 2)"),
        (
            "Find the partial derivative of x*y**2 with respect to y.",
            "derivative",
            "diff(x*y**2, y, 1)",
        ),
        ("Compute d/dx of log(x).", "derivative", "diff(log(x), x, 1)"),
        ("Integrate x**2 from 0 to pi/2.", "definite integral", "integrate(x**2, (x, 0, pi/2))"),
        (
            "What is the integral of exp(-x) from x = 0 to x = oo?",
            "definite integral",
            "integrate(exp(-x), (x, 0, oo))",
        ),
        ("Find the limit of sin(x)/x as x approaches 0.", "limit", "limit(sin(x)/x, x, 0, '+-')"),
        ("Find the limit of 1/x as x goes to infinity", "limit", "limit(1/x, x, oo)"),
        (
            "Find the limit of Abs(x)/x as x -> 0 from the left.",
            "limit",
            "limit(Abs(x)/x, x, 0, '-')",
        ),
    ],
)
def test_known_forms(statement, family, call):
    found = recognise(f"# {statement}\n")
    assert found is not None and found.family == family
    assert f"result = {call}\n" in found.code


@pytest.mark.parametrize(
    "statement",
    ["Integrate x*exp(x) with respect to x.", "Find an antiderivative of x*exp(x)",
     "Find the integral of x*exp(x) dx."],
)  # fmt: skip
def test_antiderivatives_need_no_reference(statement):
    found = recognise(f"# {statement}\n")
    assert found.kind == "antiderivative" and found.code == ""
    assert found.given == {"integrand": "x*exp(x)", "variable": "x"}


@pytest.mark.parametrize(
    "prompt",
    [
        "", "# \n", "x = 1\n", "# Differentiate x\nprint(1)\n",
        "# Plot sin(x).\n",
        "# Differentiate __import__('os').system('true') with respect to x.\n",
        "# Differentiate x.__class__ with respect to x.\n",
        "# Differentiate f(x) + 1 with respect to x.\n",  # f is unknown
        "# Find the derivative of x**2 at x = 3.\n",
        "# Find the derivative of x*y.\n",  # by which?
        "# Integrate e**x with respect to x.\n",  # Euler's number or a letter
        "# Differentiate x for x in y with respect to x.\n",
        "# Differentiate " + "(" * 150 + ")" * 150 + " with respect to x.\n",
        "# Differentiate x" + "+x" * 400 + " with respect to x.\n",
        "# Differentiate 'x' with respect to x.\n",
    ],
)  # fmt: skip
def test_what_is_not_certain_is_not_judged(prompt):
    assert recognise(prompt) is None


def test_reading():
    assert read("a^2 + pi") == "a**2 + pi" and names("a**2 + pi*sin(t)") == {"a", "t"}
    assert read("lambda: x") is None and read("x if y else z") is None and read("[x]") is None
