"""The head's dashboard, asked over HTTP before anything is sent: who it is and whether we may."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from calcgen_ray.errors import ResourceError
from calcgen_ray.jobs.token import PLACES, Token

SECONDS = 10.0
EXAMPLE = "http://HEAD:8265"


@dataclass(frozen=True, slots=True)
class Head:
    """`versions` of Ray and, where the head tells it, Python; `hosts` are all nodes' names."""

    address: str
    versions: dict[str, str]
    hosts: frozenset[str]


def address_of(given: str | None, environment: Mapping[str, str]) -> str:
    """The dashboard's URL: as given, else RAY_API_SERVER_ADDRESS, else an http RAY_ADDRESS.

    Raises:
        ResourceError: there is none, or it is no URL of a dashboard.
    """
    known = environment.get("RAY_ADDRESS", "")
    found = given or environment.get("RAY_API_SERVER_ADDRESS")
    found = (found or (known if known.startswith("http") else "")).strip()
    if not found:
        raise ResourceError(
            f"no cluster named: give --address {EXAMPLE}, or set RAY_API_SERVER_ADDRESS"
        )
    url = (found if "://" in found else f"http://{found}").removesuffix("/")
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or url.split("://", 1)[1].count("/"):
        raise ResourceError(
            f"address {given or found!r}: the head's dashboard is needed, {EXAMPLE}"
        )
    return url


def ask(address: str, token: Token | None) -> Head:
    """What the head says of its cluster.

    Raises:
        ResourceError: nobody answers, something else does, or the token is missing or wrong.
    """
    with httpx.Client(timeout=SECONDS, headers=token.headers if token else {}) as http:
        told = _get(http, address, "/api/version", token)
        versions = {"Ray": str(told["ray_version"])} if "ray_version" in told else {}
        if not versions:
            raise ResourceError(f"{address}: answers, but is no Ray dashboard; {EXAMPLE} is needed")
        more = _data(_get(http, address, "/api/v0/cluster_metadata", token))
        if python := more.get("pythonVersion"):
            versions["Python"] = str(python)
        hosts = _data(_get(http, address, "/nodes?view=hostNameList", token)).get("hostNameList")
    return Head(address, versions, frozenset(map(str, hosts or ())))


def _get(http: httpx.Client, address: str, path: str, token: Token | None) -> dict[str, Any]:
    try:
        answer = http.get(address + path)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error).strip() or type(error).__name__
        raise ResourceError(
            f"no Ray dashboard answers at {address} ({reason}); is the head up, and is this its "
            "dashboard's port?"
        ) from None
    if answer.status_code in (401, 403):
        raise ResourceError(_refusal(address, token))
    try:
        told = answer.json() if answer.status_code == 200 else {}
    except ValueError:
        told = {}
    return told if isinstance(told, dict) else {}


def _refusal(address: str, token: Token | None) -> str:
    if token is None:
        return f"{address} asks for a token and none was sent: set RAY_AUTH_MODE=token and {PLACES}"
    return (
        f"{address} does not take the token of {token.source}: set {PLACES} to this cluster's token"
    )


def _data(told: dict[str, Any]) -> dict[str, Any]:
    found = told.get("data")
    return found if isinstance(found, dict) else {}
