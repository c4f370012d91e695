"""The bodies in `/openapi.json`: the routes read them by hand, so FastAPI does not know them."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

PLACE = "#/components/schemas/{model}"


def body_of(kind: type[BaseModel]) -> dict[str, Any]:
    """A route's `openapi_extra`: the body is one of that model."""
    content = {"application/json": {"schema": {"$ref": PLACE.format(model=kind.__name__)}}}
    return {"requestBody": {"content": content, "required": True}}


def install(api: FastAPI, *kinds: type[BaseModel]) -> None:
    """Puts the models, and those that they hold, where the routes' bodies point to."""
    plain = api.openapi

    def complete() -> dict[str, Any]:
        told: dict[str, Any] = plain()
        schemas = told.setdefault("components", {}).setdefault("schemas", {})
        if kinds[0].__name__ not in schemas:
            _, made = models_json_schema(
                [(kind, "validation") for kind in kinds], ref_template=PLACE
            )
            schemas.update(made["$defs"])
        return told

    api.openapi = complete  # type: ignore[method-assign]
