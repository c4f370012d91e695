"""The page `/docs`: the routes and their fields, without a script and without another host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#1c2733}h2{margin-top:2rem;border-bottom:1px solid #d5dbe1}"
    "table{border-collapse:collapse;width:100%}"
    "td,th{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #e6eaee;"
    "vertical-align:top}code{background:#f2f5f8;padding:.1rem .3rem;border-radius:3px}"
)


def docs_page(schema: Mapping[str, Any]) -> str:
    """HTML for an OpenAPI schema."""
    title = escape(f"{schema['info']['title']} {schema['info']['version']}")
    body = "".join(_routes(schema))
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        f"<meta name=viewport content='width=device-width'><style>{STYLE}</style>"
        f"<h1>{title}</h1><p>OpenAI's routes, so that any of its clients works with "
        f"<code>base_url</code> set to <code>/v1</code> here. The schema: "
        f"<a href=/openapi.json>openapi.json</a>.</p>{body}</html>"
    )


def _routes(schema: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in schema["paths"].items():
        for method, told in methods.items():
            yield f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
            content = told.get("requestBody", {}).get("content", {})
            body = content.get("application/json", {}).get("schema")
            if body:
                yield _fields(schema["components"]["schemas"][body["$ref"].rsplit("/", 1)[-1]])


def _fields(body: Mapping[str, Any]) -> str:
    needed = set(body.get("required", []))
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code>{' *' if name in needed else ''}<td>{_kind(field)}"
        f"<td>{escape(str(field.get('default', '')))}</tr>"
        for name, field in body["properties"].items()
    )
    return f"<table><tr><th>field<th>allowed<th>default</tr>{rows}</table>"


def _kind(field: Mapping[str, Any]) -> str:
    """A field's type and limits in words."""
    options = [one for one in field.get("anyOf", [field]) if one.get("type") != "null"]
    one = options[0]
    if "$ref" in one:
        return escape(one["$ref"].rsplit("/", 1)[-1])
    words = [str(one.get("type", "value"))]
    names = {
        "minimum": "from", "exclusiveMinimum": "above", "maximum": "to",
        "exclusiveMaximum": "below", "maxItems": "at most", "maxLength": "at most",
    }  # fmt: skip
    words += [f"{word} {one[key]}" for key, word in names.items() if key in one]
    return escape(", ".join(words))
