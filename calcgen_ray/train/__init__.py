"""Training: a pure-torch step and loop, and the thin Ray shell around them."""
