"""The many ways in which training says a question; the benchmark's wordings are not among them.

`wordings/FAMILY.yaml` holds templates by variant of the question, each as many sentences as its
choices allow.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import yaml

from calcgen_ray.corpus.families.drafts import Family, Phrasings


@cache
def templates(name: str) -> Phrasings:
    """What `wordings/` holds for a family, by variant."""
    text = (files(__package__) / "wordings" / f"{name}.yaml").read_text("utf-8")
    return {variant: tuple(found) for variant, found in yaml.safe_load(text).items()}


def varied(family: Family) -> Phrasings:
    """Its own phrasings and its templates, with equal weight for the two kinds."""
    many = templates(family.name)
    return {
        variant: own * max(1, round(len(many[variant]) / len(own))) + many[variant]
        for variant, own in family.phrasings.items()
    }
