"""A small body travels with its request: one way between Serve's proxy and a replica, not two.

Serve's proxy sends a replica the head of a request; for the body the replica calls the proxy back
(ray/serve/_private/http_util.py, `ASGIReceiveProxy`, Ray 2.60), which costs some three
milliseconds. Where the whole of a small body is there with its head, as clients send it, this puts
it beside the head. A proxy runs it as front.py says; where it does not, a replica asks for the body
as ever.
"""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

SMALL_BYTES = 64 << 10
WAIT_SECONDS = 0.02
"""For a body that comes in a packet after its head; one that comes later goes the long way."""
KEY = "calcgen.body"


def body_of(scope: Scope) -> bytes | None:
    """The body that came with the head; None where it is still to be asked for."""
    found = scope.get("extensions", {}).get(KEY)
    return found if isinstance(found, bytes) else None


class Ahead:
    """ASGI middleware of a proxy. What it has received is received again behind it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        first = asyncio.ensure_future(receive())
        await asyncio.wait({first}, timeout=WAIT_SECONDS)
        if first.done() and _is_small(first.result()):
            body = first.result().get("body", b"")
            scope = {**scope, "extensions": {**scope.get("extensions", {}), KEY: body}}
        try:
            await self.app(scope, _beginning_with(first, receive), send)
        finally:
            first.cancel()


def _is_small(message: Message) -> bool:
    whole = message["type"] == "http.request" and not message.get("more_body", False)
    return whole and len(message.get("body", b"")) <= SMALL_BYTES


def _beginning_with(first: asyncio.Future[Message], receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return await first

    return again
