"""Prompts in, completions out: one protocol, a fast engine, a reference engine, a fake one."""
