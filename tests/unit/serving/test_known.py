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


@pytest.mark.parametrize(
    ("statement", "call"),
    [
        ("Integrate sin(x) from 0 to π.", "integrate(sin(x), (x, 0, pi))"),
        ("Find the derivative of f(x) = c.", "diff(c, x, 1)"),
        ("Find the derivative of f(t) = a**2.", "diff(a**2, t, 1)"),
        ("Find the derivative of f(x)=a*x**2", "diff(a*x**2, x, 1)"),
        ("Find the partial derivative of x**2 with respect to y.", "diff(x**2, y, 1)"),
        ("Integrate k from x = 0 to x = 2.", "integrate(k, (x, 0, 2))"),
        ("Integrate k from x=0 to x=2.", "integrate(k, (x, 0, 2))"),
        ("Integrate f(x) = k from 0 to 1.", "integrate(k, (x, 0, 1))"),
        ("Find the limit of sin(x) as x approaches Infinity.", "limit(sin(x), x, oo)"),
        ("Find the limit of 1/x as x approaches 0 from the LEFT.", "limit(1/x, x, 0, '-')"),
    ],
)
def test_the_variable_is_the_one_that_the_statement_names(statement, call):
    assert f"result = {call}\n" in recognise(f"# {statement}\n").code


@pytest.mark.parametrize(
    "statement",
    [
        "Integrate sin(x) from 0 to θ.", "Differentiate sin(θ).", "Differentiate 2π*x.",
        "Differentiate ſ.",  # which is an s to a pattern that ignores case
        "Differentiate x!", "Integrate x from 0 to n!", "Find the derivative of x**2!",
        "Differentiate cbrt(x).", "Differentiate acot(x).",
        "Find the derivative of c.", "Find the derivative of n**2.", "Integrate a.",
        "Find the derivative of f(t) = x**2.", "Integrate t from x = 0 to x = 2.",
        "Integrate x from x = 0 to t = 2.", "Find the derivative of f(x) = x by t.",
        "Differentiate x**2 with respect to t.", "Differentiate X**2 with respect to x.",
        "Find the derivative of f(x) = f*x.", "Find the derivative of y = y**2.",
        "Integrate x**2 from 0 to x.", "Find the limit of x as x approaches x.",
        "Integrate exp(-a*x) from x = 0 to x = oo.",  # for which a?
        "Find the limit of a*x as x approaches infinity.",
        "Find the derivative of f(e) = c.", "Differentiate sin with respect to x.",
        "Differentiate x # with respect to x.",
    ],
)  # fmt: skip
def test_what_could_mean_two_things_is_not_judged(statement):
    assert recognise(f"# {statement}\n") is None


def test_a_statement_that_may_go_on_is_not_judged():
    assert recognise("# Differentiate x**2") is None
    assert recognise("# Differentiate x**2\n") is not None


def test_reading():
    assert read("a^2 + pi") == "a**2 + pi" and names("a**2 + pi*sin(t)") == {"a", "t"}
    assert read("sin") is None and read("x(2)") is None and read("True") is None
    assert read("lambda: x") is None and read("x if y else z") is None and read("[x]") is None
