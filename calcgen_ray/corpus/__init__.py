"""The corpus: cells from docstrings, folders and synthetic families; split, stored, tokenised."""
