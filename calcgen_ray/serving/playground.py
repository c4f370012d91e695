"""The page at `/`: static files that hold no secret and ask nobody but their own endpoint.

The page shows what a model wrote and what running it gave, and trusts neither: its policy allows
no script, style or request but the endpoint's own, and no text that becomes markup.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import Response

FOLDER = Path(__file__).parent / "playground"
PAGE = "index.html"
FILES = (
    "api.js", "app.js", "candidate.js", "dom.js", "form.js", "highlight.js", "mathml.js",
    "notices.js", "outcome.js", "prompt.js", "shortcuts.js", "theme.js",
    "base.css", "form.css", "results.css",
)  # fmt: skip
PATHS = {"/": PAGE, **{f"/playground/{name}": name for name in FILES}}
"""Every route of the page, and the file that answers it."""

KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types calcgen-mathml"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class Page:
    """A file of the page in memory, with the tag by which a browser knows it again."""

    body: bytes
    kind: str
    tag: str

    @classmethod
    def read(cls, name: str) -> Page:
        path = FOLDER / name
        body = path.read_bytes()
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        return cls(body, f"{KINDS[path.suffix]}; charset=utf-8", tag)

    def answer(self, known: str) -> Response:
        """The file, or 304 where `known`, an If-None-Match, names it."""
        headers = {**HEADERS, "ETag": self.tag}
        if self.tag in known:
            return Response(status_code=304, headers=headers)
        return Response(self.body, media_type=self.kind, headers=headers)


def install(api: FastAPI) -> None:
    """Adds the page to `api`. Its files are read now, and never again."""
    for path, name in PATHS.items():
        _add(api, path, Page.read(name))


def _add(api: FastAPI, path: str, page: Page) -> None:
    @api.get(path, include_in_schema=False)
    async def shown(request: Request) -> Response:
        return page.answer(request.headers.get("if-none-match", ""))
