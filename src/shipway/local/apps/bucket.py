"""The bucket of bundles: `VERSION/{bundle.zip, metadata.json, calls.json, maps/}`. The zip of a version never changes.

What it calls is what the newest commit with this bundle says: naming an operation as optional changes no file of it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from shipway.core.apps.called import calls_text, read_calls
from shipway.core.apps.gate import CalledApi
from shipway.core.contract.bundles import VERSION, Bundle, BundlesError, read_bundle
from shipway.core.errors import Refused, UsageError
from shipway.local.apps.content import Content
from shipway.local.files.atomic_file import write_atomically
from shipway.local.files.file_lock import locked
from shipway.local.state.storage import touch

ZIP, METADATA, CALLS, MAPS = "bundle.zip", "metadata.json", "calls.json", "maps"
_TIMEOUT = 60.0


class BundleBucket:
    """Bundles below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def versions(self) -> Sequence[Bundle]:
        """All of them, the newest first. Raises Refused for one whose metadata is damaged."""
        names = [path.name for path in self.folder.glob("*-*") if VERSION.fullmatch(path.name)]
        return sorted((self.bundle(name) for name in names), key=lambda bundle: (-bundle.built_at, bundle.version))

    def bundle(self, version: str) -> Bundle:
        """What its metadata says. Raises UsageError where there is none, Refused where it can't be read."""
        content = self._read(version, METADATA)
        try:
            found = read_bundle(content)
        except BundlesError as error:
            raise Refused(
                f"bundle {version} has a damaged {METADATA}: {error}", fix="deploy its commit again"
            ) from error
        if found.version != version:
            raise Refused(f"bundle {version} has the {METADATA} of {found.version}", fix="deploy its commit again")
        return found

    def calls(self, version: str) -> Mapping[str, CalledApi]:
        """What it calls of each service. Raises as `bundle` does."""
        try:
            return read_calls(self._read(version, CALLS))
        except ValueError as error:
            raise Refused(f"bundle {version} has a damaged {CALLS}: {error}", fix="deploy its commit again") from error

    def maps(self, version: str) -> Path:
        """The folder of its source maps; there need be none."""
        return self.folder / (version if VERSION.fullmatch(version) else ".none") / MAPS

    def verify(self, version: str, content: str) -> None:
        """Raise Refused unless it is there, is named by this content, and its zip is as it was built."""
        bundle = self.bundle(version)
        if bundle.content != content:
            raise Refused(f"bundle {version} has another content than its release", fix="deploy its commit again")
        if _digest(self.folder / version / ZIP) != bundle.digest:
            raise Refused(f"bundle {version} was changed on disk after its build", fix="deploy its commit again")

    def is_whole(self, version: str, content: str) -> bool:
        """Whether it is there as it was built."""
        try:
            self.verify(version, content)
        except (Refused, UsageError, OSError):
            return False
        return True

    def add(self, bundle: Bundle, content: Content, calls: Mapping[str, CalledApi]) -> Bundle:
        """Put a bundle into the bucket in one step; its size and digest are those of the zip that is made here.

        One that is there whole stays, but for what it calls; a damaged one is replaced. Answers the one that is there then.
        """
        place = self.folder / bundle.version
        with self._storing(bundle.version):
            if self.is_whole(bundle.version, bundle.content):
                return self._note_calls(self.bundle(bundle.version), calls)
            made = self.folder / f".work-{bundle.version}"
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir()
            content.write_zip(made / ZIP)
            zip = made / ZIP
            stored = replace(bundle, digest=_digest(zip), size=zip.stat().st_size)
            (made / METADATA).write_text(stored.text())
            (made / CALLS).write_text(calls_text(calls))
            for name, file in content.maps.items():
                (made / MAPS / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, made / MAPS / name)
            _sync(made)
            if place.exists():
                shutil.rmtree(place)
            made.rename(place)
        return stored

    def note_calls(self, bundle: Bundle, calls: Mapping[str, CalledApi]) -> Bundle:
        """Keep what a bundle of the bucket calls, where that was said otherwise before. Answers the bundle."""
        with self._storing(bundle.version):
            return self._note_calls(bundle, calls)

    def _note_calls(self, bundle: Bundle, calls: Mapping[str, CalledApi]) -> Bundle:
        place, text = self.folder / bundle.version, calls_text(calls).encode()
        touch(place)
        noted = replace(bundle, uses={service: one.used for service, one in calls.items()})
        if not (place / CALLS).exists() or (place / CALLS).read_bytes() != text:
            write_atomically(place / CALLS, text)
        if noted != bundle:
            write_atomically(place / METADATA, noted.text().encode())
        return noted

    def _storing(self, version: str) -> AbstractContextManager[int]:
        return locked(self.folder / f".{version}.lock", _TIMEOUT, f"storing bundle {version}")

    def _read(self, version: str, file: str) -> bytes:
        # The name is checked first: it becomes a path.
        if VERSION.fullmatch(version) is None or not (self.folder / version).is_dir():
            raise UsageError(f"no bundle {version[:60]!r}", fix="shipway app list")
        try:
            return (self.folder / version / file).read_bytes()
        except OSError as error:
            raise Refused(f"bundle {version}: {file} can't be read: {error}", fix="deploy its commit again") from error


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    """Bring files and names to the disk, so that what is renamed is whole after a power cut as well."""
    for place, _, files in os.walk(folder):
        for path in (*(Path(place, name) for name in files), Path(place)):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
