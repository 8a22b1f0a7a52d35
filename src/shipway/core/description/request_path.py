"""The paths in `shipway.yaml` that are requested from tasks: they go unchanged into requests and HAProxy's file."""

from __future__ import annotations

import re

_MOST = 1000
# The characters of a path and a query (RFC 3986), except the apostrophe, which is a quotation mark in HAProxy's file.
_PLAIN = re.compile(r"[A-Za-z0-9\-._~!$&()*+,;=:@/?%]*")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}")
_DOTS = re.compile(r"(?:\.|%2e){1,2}", re.IGNORECASE)


def checked(path: str) -> str:
    """The path. Raises ValueError, with what to write instead, when it cannot be requested unchanged."""
    if len(path) > _MOST:
        raise ValueError(f"a path of more than {_MOST} characters")
    if path.startswith("//"):
        raise ValueError("a path begins with one /")
    if wrong := _PLAIN.sub("", path)[:1]:
        escaped = "".join(f"%{byte:02X}" for byte in wrong.encode("utf-8", "replace"))
        raise ValueError(f"a path cannot hold {wrong!r}; write {escaped}")
    if found := _BAD_PERCENT.search(path):
        raise ValueError(f"{found[0]} is not an escaped character; a percent sign itself is written %25")
    if any(_DOTS.fullmatch(part) for part in path.split("?", maxsplit=1)[0].split("/")):
        raise ValueError("a path with . or .. leads elsewhere; write the path itself")
    return path
