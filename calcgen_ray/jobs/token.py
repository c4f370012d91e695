"""Ray's token, where Ray itself looks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from calcgen_ray.errors import ResourceError

HOME = "~/.ray/auth_token"
PLACES = f"RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH (a file) or {HOME}"


@dataclass(frozen=True, slots=True)
class Token:
    """`source` says where it was found; the value itself is never shown."""

    value: str
    source: str

    def __repr__(self) -> str:
        return f"Token(source={self.source!r})"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.value}"}


def find(environment: Mapping[str, str], home: Path) -> Token | None:
    """The token of RAY_AUTH_TOKEN, of RAY_AUTH_TOKEN_PATH, or of the home folder.

    It is sent wherever one is set, unless RAY_AUTH_MODE=disabled.

    Raises:
        ResourceError: the named file cannot be read, or what is there cannot be a token.
    """
    if environment.get("RAY_AUTH_MODE", "token").lower() == "disabled":
        return None
    if value := environment.get("RAY_AUTH_TOKEN", "").strip():
        return _checked(value, "RAY_AUTH_TOKEN")
    if named := environment.get("RAY_AUTH_TOKEN_PATH", "").strip():
        return _checked(_read(named), f"RAY_AUTH_TOKEN_PATH={named}")
    path = home / ".ray" / "auth_token"
    value = _read(str(path)) if path.is_file() else ""
    return _checked(value, HOME) if value else None


def _read(path: str) -> str:
    try:
        return Path(path).expanduser().read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise ResourceError(
            f"token: {path} cannot be read ({reason}); name the file with the cluster's token"
        ) from None


def _checked(value: str, source: str) -> Token:
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise ResourceError(f"token: {source} holds no token; it is one word of plain characters")
    return Token(value, source)
