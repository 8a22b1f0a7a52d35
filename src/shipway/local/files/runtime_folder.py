"""The short private folder for sockets."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from shipway.core.errors import ShipwayError


def make_private(folder: Path) -> None:
    """Make the folder, and the one above it, private. Raises ShipwayError when another user owns one of them."""
    for place in (folder.parent, folder):
        place.mkdir(mode=0o700, exist_ok=True)
        found = os.lstat(place)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise ShipwayError(f"{place} belongs to somebody else", fix=f"ask its owner, or root, to remove {place}")
        if stat.S_IMODE(found.st_mode) != 0o700:
            place.chmod(0o700)
