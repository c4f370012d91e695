"""The page `/docs`: the routes and their fields, without a script and without another host."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;"
    "color:#1c2733}h2{font-size:1.2rem;margin-top:2.2rem}"
    "table{border-collapse:collapse;width:100%}"
    "td,th{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #e6eaee;"
    "vertical-align:top}td:first-child{white-space:nowrap}"
    "code,pre{background:#f2f5f8;padding:.1rem .3rem;border-radius:3px}"
    "pre{padding:.6rem .8rem;overflow-x:auto}"
    "@media(prefers-color-scheme:dark){body{background:#12181f;color:#d7dee6}a{color:#7db7ff}"
    "code,pre{background:#1d2630}td,th{border-color:#2b3641}}"
)
EXAMPLE = """curl -H 'content-type: application/json' URL/v1/completions \\
  -d '{"prompt": "# Differentiate x**2 with respect to x.\\n", "max_tokens": 96}'"""
FAR = 2**62
"""Bounds beyond it are those of the number itself."""
AT_MOST = {"array": "of them", "string": "characters"}


def docs_page(schema: Mapping[str, Any], url: str) -> str:
    """HTML for an OpenAPI schema of an endpoint at `url`."""
    title = escape(f"{schema['info']['title']} {schema['info']['version']}")
    example = escape(EXAMPLE.replace("URL", url.rstrip("/")))
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        f"<meta name=viewport content='width=device-width'><style>{STYLE}</style>"
        f"<h1>{title}</h1><p>OpenAI's routes: any of its clients works with "
        f"<code>base_url</code> <code>{escape(url.rstrip('/'))}/v1</code>. "
        f"<a href=/openapi.json>openapi.json</a> has the schema, <a href=/>the playground</a> is "
        f"for people.</p><pre>{example}</pre>"
        f"<table>{''.join(_read(schema))}</table>{''.join(_sent(schema))}</html>"
    )


def _read(schema: Mapping[str, Any]) -> Iterator[str]:
    """The routes without a body, a line each."""
    for path, methods in schema["paths"].items():
        if "get" in methods:
            told = escape(methods["get"].get("description", ""))
            yield f"<tr><td><code>GET {escape(path)}</code><td>{told}</tr>"


def _sent(schema: Mapping[str, Any]) -> Iterator[str]:
    """The routes with a body, each with its fields."""
    for path, methods in schema["paths"].items():
        if "post" in methods:
            told = methods["post"]
            body = told["requestBody"]["content"]["application/json"]["schema"]["$ref"]
            yield (
                f"<h2><code>POST {escape(path)}</code></h2><p>{escape(told['description'])}</p>"
                f"{_fields(schema['components']['schemas'][body.rsplit('/', 1)[-1]])}"
            )


def _fields(body: Mapping[str, Any]) -> str:
    """A table; fields that must be there come first."""
    needed = set(body.get("required", []))
    ordered = sorted(body["properties"].items(), key=lambda pair: pair[0] not in needed)
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code><td>{escape(field.get('description', ''))}"
        f"<td>{_kind(field)}<td>{'needed' if name in needed else _default(field)}</tr>"
        for name, field in ordered
    )
    return f"<table><tr><th>field<th><th>allowed<th>default</tr>{rows}</table>"


def _default(field: Mapping[str, Any]) -> str:
    value = field.get("default")
    plain = None if isinstance(value, dict) else value  # what it holds is told by its words
    return "" if plain in (None, []) else f"<code>{escape(json.dumps(plain))}</code>"


def _kind(field: Mapping[str, Any]) -> str:
    """A field's type and limits in words."""
    options = [one for one in field.get("anyOf", [field]) if one.get("type") != "null"]
    one = options[0]
    if "$ref" in one:
        return "object"
    kind = str(one.get("type", "value"))
    names = {
        "minimum": "from", "exclusiveMinimum": "above", "maximum": "to",
        "exclusiveMaximum": "below", "maxItems": "at most", "maxLength": "at most",
    }  # fmt: skip
    words = [
        f"{word} {one[key]} {AT_MOST.get(kind, '')}".strip()
        for key, word in names.items()
        if key in one and abs(one[key]) < FAR
    ]
    return escape(", ".join([kind, *words]))
