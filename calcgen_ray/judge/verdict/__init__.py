"""The verdict's own program: reads trees of answers, compares them, and never runs their code.

Nothing in here pickles, or gives what a candidate made to sympify, parse_expr, srepr or lambdify,
each of which executes text. Expected answers are ours, and are parsed.
"""
