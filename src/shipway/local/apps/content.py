"""What is in a bundle: the files of a folder, checked, with one digest over them all and one reproducible zip."""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path

from shipway.core.errors import Refused

INDEX = "index.html"
MOST_FILES = 5_000
MOST_BYTES = 100 * 1024**2
LONGEST_PATH = 200
_MAPS = ".map"
_OLDEST = (1980, 1, 1, 0, 0, 0)
"""The first moment that a zip can name: every file's, so that equal files make equal zips."""


@dataclass(frozen=True, slots=True)
class Content:
    """The files of a bundle, and its source maps, which never leave this machine: path → file."""

    files: dict[str, Path]
    maps: dict[str, Path]

    @property
    def digest(self) -> str:
        """SHA-256 over the sorted paths, sizes and bytes of its files."""
        found = hashlib.sha256()
        for name, file in sorted(self.files.items()):
            content = file.read_bytes()
            found.update(f"{name}\0{len(content)}\0".encode())
            found.update(content)
        return found.hexdigest()

    def write_zip(self, to: Path) -> None:
        """Write the files, sorted, all of the same time and rights."""
        with zipfile.ZipFile(to, "w") as archive:
            for name, file in sorted(self.files.items()):
                entry = zipfile.ZipInfo(name, _OLDEST)
                entry.create_system = 3
                entry.external_attr = (stat.S_IFREG | 0o644) << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, file.read_bytes(), compresslevel=9)


def content_of(folder: Path, name: str) -> Content:
    """The bundle that a build left in `folder`. `name` says in messages whose it is.

    Raises Refused for a folder that is not there or has no index.html at its top, for links and other things that are no
    files, for paths that not every device can have, and for too much of it.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise _refused(name, f"the build left no folder {folder.name}", "`bundle` in shipway.yaml names what it leaves")
    found = dict(_walk(folder, name))
    files = {path: file for path, file in found.items() if not path.endswith(_MAPS)}
    if INDEX not in files:
        raise _refused(name, f"{folder.name} has no {INDEX} at its top", "a bundle begins with that page")
    if len(files) > MOST_FILES:
        raise _refused(name, f"{len(files):,} files; allowed are {MOST_FILES:,}", "leave out what no page loads")
    size = sum(file.stat().st_size for file in files.values())
    if size > MOST_BYTES:
        found_size = f"{size / 1024**2:.1f} MiB; allowed are {MOST_BYTES // 1024**2} MiB"
        raise _refused(name, found_size, "leave out what no page loads")
    folded: dict[str, str] = {}
    for path in files:
        if (other := folded.setdefault(path.casefold(), path)) != path:
            raise _refused(name, f"{other} and {path} are one file on some devices", "give one of them another name")
    return Content(files, {path: file for path, file in found.items() if path.endswith(_MAPS)})


def _walk(folder: Path, name: str) -> list[tuple[str, Path]]:
    found = []
    for place, folders, files in os.walk(folder):
        for entry in (*folders, *files):
            path = Path(place, entry)
            shown = path.relative_to(folder).as_posix()
            if path.is_symlink():
                raise _refused(name, f"{shown!r} is a link", "a bundle holds files alone: let the build copy it")
            if not (path.is_dir() or path.is_file()):
                raise _refused(name, f"{shown!r} is no file", "a bundle holds files alone")
            if len(shown) > LONGEST_PATH or not shown.isprintable() or "\\" in shown or ":" in shown:
                rule = f"printable text without \\ and :, {LONGEST_PATH} characters at most"
                raise _refused(name, f"the path {shown[:80]!r}", f"allowed are paths of {rule}")
        found += [(Path(place, file).relative_to(folder).as_posix(), Path(place, file)) for file in files]
    return found


def _refused(name: str, found: str, fix: str) -> Refused:
    return Refused(f"the bundle of {name}: {found}", fix=fix, state="nothing was published and nothing was deployed")
