"""Checkpoints that are, were or may be live: found, verified, promoted."""
