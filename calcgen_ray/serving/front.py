"""What Serve's own proxies run before their code: a sieve for headers that are not the client's.

Serve reads some headers before the endpoint does, with or without a key (proxy.py and http_util.py
of ray/serve/_private, Ray 2.60): one that is no UTF-8 ends in the proxy's own 500, and one of them
leaves a queue behind in its memory; a time limit ends in an answer that is not OpenAI's; a switch
lets a request go on whose client has gone. Here they are taken off. Serve takes its proxies'
middlewares from the environment alone (RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH, see cluster.py).
"""

from __future__ import annotations

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from calcgen_ray.serving.access import REQUEST_ID, is_plain
from calcgen_ray.serving.ahead import Ahead
from calcgen_ray.serving.errors import ApiError

SERVES_OWN = frozenset(
    {
        b"x-request-timeout-seconds",
        b"x-request-disconnect-disabled",
        b"serve-multiplexed-model-id",
        b"x-session-id",
    }
)
"""With hyphens, as Serve takes them with underscores, too."""

CLOSED = frozenset({"/-/routes"})
"""Serve's own route that lists applications, for anybody; `/-/healthz` is there for probes."""

Headers = list[tuple[bytes, bytes]]


def middlewares() -> list[Middleware]:
    """For `RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH`; the last one hears a request first."""
    return [Middleware(Ahead), Middleware(Sieve)]


class Sieve:
    """ASGI middleware of a proxy: takes Serve's headers off a request, a second X-Request-Id, which
    Serve adds to the endpoint's, off an answer, and closes Serve's list of routes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": _with_one_id(message.get("headers", []))}
            await send(message)

        if scope.get("path") in CLOSED:
            await ApiError(404, f"{scope['path']}: Not Found").response()(scope, receive, send)
            return
        if "headers" in scope:
            scope = {**scope, "headers": [one for one in scope["headers"] if _passes(*one)]}
        await self.app(scope, receive, told)


def _passes(name: bytes, value: bytes) -> bool:
    plain = name.lower().replace(b"_", b"-")
    if plain == REQUEST_ID:
        return is_plain(value.decode("latin-1"))
    return plain not in SERVES_OWN


def _with_one_id(headers: Headers) -> Headers:
    idents = [one for one in headers if one[0].lower() == REQUEST_ID]
    return [one for one in headers if one[0].lower() != REQUEST_ID] + idents[:1]
