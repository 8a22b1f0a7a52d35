"""How much disk `.shipway` takes, and what in it is not needed any more."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from shipway.core.contract.bundles import VERSION
from shipway.core.daemon.disk import Item, Kind
from shipway.core.description.app import Retention
from shipway.core.releases.release import Artifact
from shipway.local.builds.address import address_of
from shipway.local.builds.sealed_tree import remove_tree
from shipway.local.files.file_lock import locked_if_free

GRACE = 3600.0
"""Seconds that a new build is always kept: a run that makes a release of it may not have recorded that yet."""
_FOLDERS = ("artifacts", "environments", "training", "logs", "builds")


@dataclass(frozen=True, slots=True)
class Needed:
    """What stays: artifacts, bundles, the logs of existing tasks; and the folders of captured requests, which go by age."""

    artifacts: tuple[Artifact, ...] = ()
    bundles: frozenset[str] = frozenset()
    logs: frozenset[Path] = frozenset()
    captured: frozenset[Path] = frozenset()


class Storage:
    """What lies below `.shipway`; `bundles` is the bucket of the app's bundles there."""

    def __init__(self, state: Path, bundles: Path | None = None) -> None:
        self._state, self._bundles = state, bundles

    def used(self) -> dict[str, int]:
        """Bytes on disk by what they are for, `all` included; a file with several names counts once."""
        seen: set[tuple[int, int]] = set()
        found = dict.fromkeys((*_FOLDERS, "bundles", "other"), 0)
        named = {name: name for name in _FOLDERS} | ({self._bundles.name: "bundles"} if self._bundles else {})
        for entry in sorted(self._entries(self._state), key=lambda entry: entry.name not in named):
            found[named.get(entry.name, "other")] += _size(Path(entry.path), seen)
        return found | {"all": sum(found.values())}

    def unneeded(self, policy: Retention, kept: Needed) -> list[Item]:
        """What the policy lets us remove, oldest first."""
        now = time.time()
        builds = max(policy.builds, GRACE)
        digests = {artifact.digest for artifact in kept.artifacts}
        environments = {Path(address_of(artifact).environment).name for artifact in kept.artifacts}
        found = [
            *_older(self._folders("artifacts", digests), "artifact", builds, now),
            *_older(self._folders("environments", environments), "environment", builds, now),
            *_older(self._unneeded_bundles(kept.bundles), "bundle", builds, now),
            *_older(self._folders("training", set()), "training", builds, now),
            *_older(self._logs(kept.logs), "log", policy.logs, now),
            *_older(_captured(kept.captured), "capture", policy.capture, now),
        ]
        return sorted(found, key=lambda item: -item.age)

    def remove(self, item: Item) -> bool:
        """Remove it, unless it is in use at this moment; says whether it is gone."""
        path = Path(item.path)
        if item.kind in ("log", "capture"):
            path.unlink(missing_ok=True)
            with suppress(OSError):
                # An hour's folder, and those above it, go with their last file.
                for folder in path.parents[:4] if item.kind == "capture" else ():
                    folder.rmdir()
            return True
        with locked_if_free(path.parent / f".{path.name}.lock") as held:
            if not held:
                return False
            # Renamed first: what is half removed must not look whole to a build that begins meanwhile.
            going = path.with_name(f".going-{path.name}")
            path.rename(going)
            remove_tree(going)
        return True

    def sweep(self) -> None:
        """Finish removals that were interrupted."""
        folders = [self._state / name for name in ("artifacts", "environments", "training")]
        for folder in (*folders, *([self._bundles] if self._bundles is not None else [])):
            for going in folder.glob(".going-*"):
                remove_tree(going)

    def _folders(self, name: str, needed: set[str]) -> Iterator[Path]:
        if (self._state / name).is_symlink():
            # Shared with another app, whose needs are unknown here.
            return
        for entry in self._entries(self._state / name):
            if entry.is_dir(follow_symlinks=False) and entry.name not in needed and len(entry.name) == 64:
                yield Path(entry.path)

    def _unneeded_bundles(self, needed: frozenset[str]) -> Iterator[Path]:
        for entry in self._entries(self._bundles) if self._bundles is not None else ():
            if VERSION.fullmatch(entry.name) and entry.name not in needed:
                yield Path(entry.path)

    def _logs(self, needed: frozenset[Path]) -> Iterator[Path]:
        for path in (*(self._state / "logs").glob("*/*.log*"), *(self._state / "builds").glob("*.log*")):
            if path.with_name(path.name.partition(".log")[0] + ".log") not in needed:
                yield path

    @staticmethod
    def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                yield from list(entries)
        except FileNotFoundError:
            return


def touch(path: Path) -> None:
    """Note that something is used now: its age counts from here."""
    with suppress(OSError):
        os.utime(path)


def total(items: Sequence[Item]) -> Mapping[str, int]:
    """Bytes by kind."""
    found: dict[str, int] = {}
    for item in items:
        found[item.kind] = found.get(item.kind, 0) + item.bytes
    return found


def _captured(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from folder.glob("*/????/??/??/??/*.jsonl")


def _older(paths: Iterator[Path], kind: Kind, age: float, now: float) -> Iterator[Item]:
    for path in paths:
        with suppress(FileNotFoundError):
            since = now - path.stat().st_mtime
            if since >= age:
                yield Item(kind, str(path), _size(path, set()), since)


def _size(path: Path, seen: set[tuple[int, int]]) -> int:
    """Bytes on disk of a file, or of all that lies below a folder."""
    size = 0
    pending = [path]
    while pending:
        current = pending.pop()
        with suppress(OSError):
            found = current.lstat()
            if (found.st_dev, found.st_ino) in seen:
                continue
            seen.add((found.st_dev, found.st_ino))
            size += found.st_blocks * 512
            if current.is_dir() and not current.is_symlink():
                pending.extend(current.iterdir())
    return size
