"""A section of the configuration, and the numbers and names that sections are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, Strict

Int = Annotated[int, Strict()]
Float = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Positive = Annotated[Int, Field(ge=1, le=10**9)]
Fraction = Annotated[Float, Field(ge=0.0, le=1.0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]


class Section(BaseModel):
    """Base of every part of the tree: frozen, unknown keys refused, docstrings kept as help."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True
    )
