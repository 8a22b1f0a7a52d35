"""`file://` and a path: as it stands, or percent-encoded as URLs have it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote


def path_in(url: str) -> Path | None:
    """The path that `url` names; None when it is no absolute `file:` URL of this machine.

    Shipway writes paths as they are, libraries encode them. Where the two differ, the one that is there counts, and
    where neither is, the one whose folder is there.

    >>> path_in("file:///models/a b/latest")
    PosixPath('/models/a b/latest')
    """
    rest = url.removeprefix("file://").removeprefix("localhost")
    if not url.startswith("file://") or not rest.startswith("/"):
        return None
    written, decoded = Path(rest), Path(unquote(rest))
    if written.exists() == decoded.exists():
        return written if written.parent.is_dir() and not decoded.parent.is_dir() else decoded
    return written if written.exists() else decoded
