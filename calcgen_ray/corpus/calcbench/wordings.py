"""Statements written by hand for the benchmark: none of these wordings is ever trained on."""

from __future__ import annotations

from calcgen_ray.corpus.families.drafts import Phrasings

WORDINGS: dict[str, Phrasings] = {
    "derivatives": {
        "first": (
            "I have the function {f} and need to know how it changes as {x} changes.",
            "Please work out the first derivative of this expression in {x}: {f}",
            "Show me SymPy code that gets df/d{x}, where f = {f}.",
            "A position at time {x} is {f}. Write its velocity.",
            "{f} is to be differentiated; the variable is {x}.",
            "Could you derive {f} for me (variable {x})?",
        ),
        "higher": (
            "Apply the operator d/d{x} to {f} exactly {n} times.",
            "I am after the derivative of order {n} of {f}, in {x}.",
            "Starting from g({x}) = {f}, get the {nth} derivative of g.",
        ),
        "point": (
            "At the abscissa {a}, which slope does the curve of {f} have (in {x})?",
            "Give me the number f'({a}) when f({x}) = {f}.",
        ),
        "partial": (
            "Hold everything but {by} fixed and differentiate {f}.",
            "How does {f} respond to a small change of {by} alone?",
        ),
    },
    "integrals": {
        "indefinite": (
            "Undo the differentiation: whose derivative in {x} is {f}?",
            "I need the antiderivative of {f}; leave out the constant. The variable is {x}.",
            "Please integrate, in the variable {x}, the expression {f}",
            "F'({x}) equals {f}. Recover one such F.",
            "Show me how SymPy integrates {f} over {x} without limits.",
            "A velocity is {f} at time {x}. Give a formula for the position.",
            "What do you get when {f} is integrated d{x}?",
            "Work out the integral, without bounds, of {f} in {x}.",
            "Reverse the power, product and chain rules on {f} (variable {x}).",
            "Which expression in {x} differentiates to {f}?",
        ),
    },
    "definite_integrals": {
        "proper": (
            "How much area, counted with sign, lies below {f} as {x} runs from {a} up to {b}?",
            "Sum up {f} continuously for {x} starting at {a} and ending at {b}.",
            "Let {x} go from {a} to {b}. Integrate {f} exactly.",
            "A pump delivers {f} litres a minute at minute {x}. How many litres from {a} to {b}?",
            "I want the exact number for the integral with lower bound {a}, upper bound {b} and "
            "integrand {f} in {x}.",
            "Please integrate {f} d{x}; lower limit {a}, upper limit {b}.",
            "Work out the accumulated value of {f} between {x} = {a} and {x} = {b}.",
            "Take F with F'({x}) = {f} and give F({b}) - F({a}).",
            "Between {a} and {b}, what does {f} integrate to (variable {x})?",
        ),
        "improper": (
            "Integrate {f} over all {x} from {a} onwards, without an upper end.",
            "Does the tail of {f} beyond {x} = {a} have a finite area? Compute it.",
        ),
    },
    "limits": {
        "point": (
            "Let {x} creep towards {a}: where does {f} go?",
            "I need the limiting value of {f} at {x} equal to {a}.",
            "Which number does {f} get arbitrarily close to once {x} is near {a}?",
            "Work out what happens to {f} in the limit {x} to {a}.",
            "Please compute the limit, as {x} nears {a}, of {f}",
            "Squeeze {x} to {a} in {f} and give the value.",
        ),
        "side": (
            "Let {x} come to {a} only from the {side}; to what does {f} tend?",
            "Take the limit of {f} at {a}, staying to the {side} of it (variable {x}).",
        ),
        "infinity": (
            "In the long run, as {x} runs off to {a}, where does {f} settle?",
            "Let {x} grow without bound towards {a} and give the limit of {f}.",
            "What remains of {f} once {x} is taken to {a}?",
        ),
    },
    "series": {
        "maclaurin": (
            "Near zero, replace {f} by powers of {x}, keeping an error term O({x}^{n}).",
            "Please give {f} as a power series in {x}; stop before {x}^{n}.",
            "I want the first terms, below order {n}, of {f} around the origin (variable {x}).",
            "Use the derivatives at 0 to expand {f} in {x}, remainder O({x}^{n}).",
            "Show the expansion of {f} in powers of {x} with the O-term of order {n}.",
            "Which power series does {f} start with at {x} = 0? Go to O({x}^{n}).",
        ),
        "taylor": (
            "Centre a Taylor expansion of {f} at {x} = {a} and keep terms below order {n}.",
            "Around the point {a}, develop {f} in {x}; order {n}.",
            "I need {f} written in powers of ({x} - {a}), error of order {n}.",
        ),
        "polynomial": (
            "Which polynomial of degree at most {m} fits {f} best at {x} = {a}, in Taylor's sense?",
            "Give the Taylor approximation of {f}, degree {m}, centre {a}, without remainder. "
            "The variable is {x}.",
        ),
    },
    "odes": {
        "general": (
            "I look for every function {y} of {x} with {eq}.",
            "Give the family of solutions to the equation {eq}, unknown {y}({x}).",
            "The unknown {y}({x}) obeys {eq}; integrate the equation.",
            "Please let SymPy handle the ODE {eq} for {y}({x}).",
            "Work out {y} as a function of {x} from {eq}.",
            "How does {y} depend on {x} if {eq}?",
            "A quantity {y} changes with {x} by the law {eq}. Find a formula for it.",
            "Integrate the differential equation {eq} and name {y}({x}).",
        ),
        "initial": (
            "From the law {eq} and the start {at}, find {y}({x}).",
            "Which solution {y}({x}) of {eq} has {at}?",
        ),
    },
    "extrema": {
        "critical": (
            "At which values of {x} does the slope of {f} vanish?",
            "Set the first derivative of {f} to zero and solve for {x}.",
            "I need all flat spots of the graph of {f}, as values of {x}.",
            "Where might {f} turn around? Give the {x} values.",
            "Please list each {x} for which d/d{x} of {f} is 0.",
            "For the function {f}, which {x} are stationary?",
            "Give the {x} coordinates of the possible peaks and valleys of {f}.",
        ),
        "range": (
            "While {x} stays between {a} and {b}, what is the {most} that {f} reaches?",
            "On the closed interval from {a} to {b}, {f} attains a {most}; how large is it? "
            "(variable {x})",
        ),
        "plane": (
            "Find the points of the {x}-{y} plane where the surface {f} is level.",
            "At which ({x}, {y}) is the gradient of {f} the zero vector?",
        ),
    },
    "expressions": {
        "expand": (
            "Get rid of all brackets in {f} by multiplying.",
            "Carry out the products in {f} and collect the terms.",
        ),
        "factor": (
            "Pull {f} apart into a product of factors.",
            "Turn the sum {f} into a product.",
        ),
        "cancel": ("Shorten the fraction {f} as far as it goes.",),
        "together": ("Bring everything in {f} over one denominator.",),
        "apart": ("Break {f} into elementary fractions.",),
        "simplify": ("Make {f} as simple as you can.",),
        "substitute": (
            "Put the number {a} in the place of {x} in {f}.",
            "Plug {x} = {a} into {f} and give the exact result.",
        ),
        "compose": (
            "Feed {g} into {f} wherever {x} stands.",
            "First g({x}) = {g}, then f({x}) = {f}: write the combined function f(g({x})).",
        ),
    },
    "numerics": {
        "trapezoid": (
            "With {n} sample points and the trapezoid rule, integrate {f} from {a} to {b}.",
        ),
        "midpoint": (
            "Cut [{a}, {b}] into {m} strips, use the middle of each, and add up {f}.",
        ),
        "values": ("List the values of {f} at {k} evenly spaced places between {a} and {b}.",),
        "maximum": ("Over {n} evenly spaced samples between {a} and {b}, how high does {f} get?",),
        "mean": ("What is the average of {f} over {n} evenly spaced samples from {a} to {b}?",),
        "gradient": ("Let NumPy estimate the slope of {f} at {k} points spread over [{a}, {b}].",),
        "difference": (
            "Get the slope of {f} at {x} = {c} from the two neighbours {h} away on each side.",
        ),
        "cumulative": (
            "Keep a running total of the trapezoids under {f} at {k} points from {a} to {b}.",
        ),
        "length": (
            "Measure the graph of {f} from {a} to {b} by straight pieces between {n} points.",
        ),
        "root": ("Somewhere between {a} and {b} the expression {f} is zero. Where?",),
        "euler": (
            "Step y' = {f} forward from y(0) = {y0} by Euler, {m} steps of length {h}.",
        ),
    },
    "plots": {
        "curve": (
            "I would like to see {f} for {x} between {a} and {b}.",
            "Make a figure of the function {f}, with {x} going from {a} up to {b}.",
            "Please chart {f} on the range {a} to {b} of {x}.",
            "Show how {f} looks while {x} runs through [{a}, {b}].",
            "Put the curve {f} on a pair of axes, {x} from {a} to {b}.",
            "Produce a line plot: horizontally {x} in [{a}, {b}], vertically {f}.",
        ),
        "derivative": (
            "In one picture, draw {f} and how steep it is, {x} from {a} to {b}.",
            "On [{a}, {b}], chart {f} and on the same axes its derivative in {x}.",
        ),
        "pair": ("Put the two curves {f} and {g} side by side in one chart, {x} from {a} to {b}.",),
        "tangent": ("Chart {f} over [{a}, {b}] and lay the tangent at {x} = {c} on it.",),
        "area": ("Fill the region below {f} for {x} between {a} and {b} in a plot.",),
    },
}  # fmt: skip
"""By family and variant of the question, as the families' own phrasings."""
