"""Who may ask: keys, the Host and Origin of a request, and how long its headers may be.

Every route but `/health`, `/ready` and the playground's files, which hold no secret and ask for a
key themselves, is refused to whom it is not opened. Keys come from a file with one on each line;
without one only this machine may ask, wherever the endpoint listens. Every answer that goes out is
counted here and has an X-Request-Id.
"""

from __future__ import annotations

import hmac
import ipaddress
import logging
import re
import uuid
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from calcgen_ray.errors import InputError
from calcgen_ray.serving import playground
from calcgen_ray.serving.errors import FAILED, ApiError

PROBES = frozenset({"/health", "/ready"})
OPEN_ROUTES = frozenset({*PROBES, *playground.PATHS})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
MAX_HEADERS, MAX_HEADER_BYTES = 100, 32_768
MIN_KEY_CHARACTERS = 16
LOG = logging.getLogger("calcgen.serving")
REQUEST_ID = b"x-request-id"
_MAY_READ = "calcgen_may_read"
_IDENT = re.compile(r"[\x21-\x7e]{1,128}")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Count = Callable[[str, int], None]
"""Called with the path and the status of an answer."""


@dataclass(frozen=True, slots=True)
class Policy:
    """`keys`: any of these opens; none means that everybody on this machine may ask, and with
    `open` every other machine too."""

    keys: tuple[bytes, ...] = ()
    hosts: tuple[str, ...] = LOCAL_HOSTS
    open: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "hosts", tuple(map(str.lower, self.hosts)))


def read_keys(path: Path) -> tuple[bytes, ...]:
    """The keys of a file: one a line, blank lines and # comments apart.

    Raises:
        InputError: no such file, no key in it, or one that is too short to be secret.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"serve.keys_file: {path}: cannot be read: {error}") from None
    found = (line.strip() for line in lines)
    keys = [line for line in found if line and not line.startswith("#")]
    if not keys:
        raise InputError(f"serve.keys_file: {path}: holds no key; write one on each line")
    if short := [number for number, key in enumerate(keys, 1) if len(key) < MIN_KEY_CHARACTERS]:
        raise InputError(
            f"serve.keys_file: {path}: key {short[0]} has fewer than {MIN_KEY_CHARACTERS} "
            "characters; take `openssl rand -hex 24`"
        )
    return tuple(key.encode() for key in keys)


class Access:
    """ASGI middleware: refuses in OpenAI's form, and answers what fails with 500."""

    def __init__(
        self,
        app: Callable[[Scope, Receive, Send], Awaitable[None]],
        policy: Policy,
        count: Count = lambda path, status: None,
    ) -> None:
        self.app, self.policy, self.count = app, policy, count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        ident, path = request_id(scope), scope["path"]  # mounted applications change the path
        begun = False

        async def told(message: MutableMapping[str, Any]) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                self.count(path, message["status"])
                headers = [*message.get("headers", []), (REQUEST_ID, ident.encode())]
                message = {**message, "headers": headers}
            await send(message)

        try:
            check(scope, self.policy)
            await self.app(scope, receive, told)
        except ApiError as error:
            await error.response()(scope, receive, told)
        except Exception:
            LOG.exception("request %s failed", ident)
            if begun:
                raise
            await ApiError(500, FAILED).response()(scope, receive, told)


def check(scope: Scope, policy: Policy) -> None:
    """Raises ApiError for a request that is not let in."""
    # Serve adds an X-Request-Id of its own.
    headers = [one for one in scope["headers"] if one[0].lower() != REQUEST_ID]
    if len(headers) > MAX_HEADERS or sum(len(k) + len(v) for k, v in headers) > MAX_HEADER_BYTES:
        raise ApiError(431, f"headers: at most {MAX_HEADERS} with {MAX_HEADER_BYTES:,} bytes")
    host = _name(_header(scope, b"host"))
    if host not in policy.hosts:
        if scope["path"] in PROBES:  # they are asked by address; what they tell is no secret
            return
        raise ApiError(400, f"host: {host[:100]!r} is not served here; see serve.hosts")
    origin = _header(scope, b"origin")
    changes = scope["method"] not in SAFE_METHODS
    if origin and changes and _host_of(origin) not in policy.hosts:
        raise ApiError(403, f"origin: {origin[:100]!r} may not ask here; see serve.hosts")
    refusal = _refusal(scope, policy)
    scope[_MAY_READ] = refusal is None
    if refusal is not None and scope["path"] not in (OPEN_ROUTES if policy.keys else PROBES):
        raise refusal


def may_read(scope: Scope) -> bool:
    """Whether a request on an open route may know more than that the endpoint is there."""
    return bool(scope.get(_MAY_READ))


def _refusal(scope: Scope, policy: Policy) -> ApiError | None:
    """Why the caller is not let in, by key or, where there are none, by address."""
    if policy.keys:
        known = _has_key(_header(scope, b"authorization"), policy.keys)
        text = "a key is needed: Authorization: Bearer KEY"
        return None if known else ApiError(401, text, code="invalid_api_key")
    if policy.open or _is_local(scope.get("client")):
        return None
    return ApiError(403, "without keys only this machine may ask; see serve.keys_file")


def _is_local(client: Sequence[Any] | None) -> bool:
    """Whether an ASGI client is on this machine; one without an address is on a Unix socket."""
    if not client:
        return True
    try:
        address = ipaddress.ip_address(str(client[0]))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)  # ::ffff:127.0.0.1
    return bool((mapped or address).is_loopback)


def _has_key(given: str, keys: Sequence[bytes]) -> bool:
    """Compares with every key, each in constant time."""
    kind, _, key = given.partition(" ")
    found = [hmac.compare_digest(key.strip().encode(), known) for known in keys]
    return any(found) and kind.lower() == "bearer"


def request_id(scope: Scope) -> str:
    """The caller's X-Request-Id where it is short and plain, else a new one."""
    given = _header(scope, REQUEST_ID)
    return given if is_plain(given) else uuid.uuid4().hex


def is_plain(ident: str) -> bool:
    """Whether it may stand in a log and in an answer."""
    return _IDENT.fullmatch(ident) is not None


def _header(scope: Scope, name: bytes) -> str:
    return next((v.decode("latin-1") for k, v in scope["headers"] if k.lower() == name), "")


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:  # as http://[
        return ""


def _name(host: str) -> str:
    """The name in a Host header: without its port, an IPv6 address without its brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()
