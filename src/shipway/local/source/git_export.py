"""Writes committed files out, object by object, and compares what lies on disk with the commit.

Not by `git archive` or a checkout: those follow attributes and filters, which leave files out or change them.
"""

from __future__ import annotations

import hashlib
import io
import os
import shlex
import stat
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from shipway.core.errors import ShipwayError, UsageError
from shipway.local.source.git_command import Git, environment

LINK = "120000"
SUBMODULE = "160000"
PROGRAM = "100755"
_FILE = "100644"
_OLD_FILE = "100664"
_TIMEOUT = 300.0
MAX_FILES = 50_000
_MAX_BYTES = 2 * 1024**3
_CHUNK = 1 << 20
_NAMED = 5
_STAND_INS = {
    b"version https://git-lfs.github.com/spec/": "a Git LFS pointer",
    b"version https://hawser.github.com/spec/": "a Git LFS pointer",
    b"version http://git-media.io/v/": "a Git LFS pointer",
    b"/annex/objects/": "a git-annex pointer",
    b"\0GITCRYPT\0": "encrypted by git-crypt",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, link or submodule of a committed folder, and where in the app it lies, if that is elsewhere."""

    mode: str
    id: str
    path: str
    origin: str = ""


def stand_in(content: bytes) -> str | None:
    """What a file's content is when the file itself was not committed: a pointer to it, or its encrypted form."""
    return next((kind for beginning, kind in _STAND_INS.items() if content.startswith(beginning)), None)


def stand_in_error(what: str, kind: str, paths: Sequence[str]) -> UsageError:
    """The refusal of files that were not committed themselves."""
    where = " ".join(shlex.quote(path) for path in paths[:_NAMED])
    if "git-crypt" in kind:
        fix = "keep secrets out of the service's folder; let the service read them at its start"
    else:
        fix = (
            "commit the content: fetch it (git lfs pull), take its pattern out of .gitattributes, then "
            f"git add --renormalize {where} && git commit. Models belong into the bucket: shipway model publish"
        )
    return UsageError(
        f"{what}: {_listed(paths)} {'is' if len(paths) == 1 else 'are each'} {kind}, not the file", fix=fix
    )


def submodule_error(what: str, folder: str, paths: Sequence[str]) -> UsageError:
    """The refusal of submodules: the commit names another repository's commit and holds none of its files."""
    first = shlex.quote(str(PurePosixPath(folder, paths[0])))
    return UsageError(
        f"{what}: {_listed(paths)} {'is a submodule' if len(paths) == 1 else 'are submodules'}, "
        "whose files are not part of the commit",
        fix=f"commit the files themselves: git rm --cached {first} && rm -rf {first}/.git && git add {first} && "
        "git commit (fetch them before that: git submodule update --init); or install it by the lock file",
    )


def list_files(git: Git, tree: str, folder: str, what: str) -> list[Entry]:
    """All files and links below a tree.

    `folder` is where the tree lies in the app, and `what` names it in messages. Raises UsageError for submodules, and
    for too many files.
    """
    entries = [
        Entry(attributes.decode().split()[0], attributes.decode().split()[2], os.fsdecode(name))
        for line in git.must("ls-tree", "-r", "-z", "--full-tree", tree).split(b"\0")
        if line
        for attributes, _, name in (line.partition(b"\t"),)
    ]
    if submodules := [entry.path for entry in entries if entry.mode == SUBMODULE]:
        raise submodule_error(what, folder, submodules)
    if len(entries) > MAX_FILES:
        raise too_large(what)
    return entries


def link_targets(git: Git, entries: Sequence[Entry], what: str) -> dict[str, str]:
    """Path → target of every link among the entries."""
    with _Objects(git, what) as objects:
        return {entry.path: objects.target(entry) for entry in entries if entry.mode == LINK}


def export_files(git: Git, entries: Sequence[Entry], destination: Path, folder: str, what: str) -> None:
    """Write files and links into `destination`, which is made and must not hold anything yet.

    Raises UsageError for what cannot be built as committed: pointers, links that lead out, too much. Raises
    ShipwayError when the files on disk are not those of the commit.
    """
    destination.mkdir(parents=True, exist_ok=True)
    with _Objects(git, what) as objects:
        _write_files(objects, [entry for entry in entries if entry.mode != LINK], destination, folder, what)
        # Links come last, so that no file is written through one.
        _write_links(objects, [entry for entry in entries if entry.mode == LINK], destination, what)
    _compare(entries, destination, what)


def check_files(git: Git, entries: Sequence[Entry], folder: str, what: str) -> None:
    """Raise UsageError where `export_files` would, as far as it shows without writing: links are not followed."""
    with _Objects(git, what) as objects, Path(os.devnull).open("wb") as nowhere:
        pointers = [
            (entry, kind)
            for entry in entries
            if entry.mode != LINK and (kind := stand_in(objects.copy(entry, nowhere)))
        ]
    _refuse_stand_ins(pointers, folder, what)


def _refuse_stand_ins(found: Sequence[tuple[Entry, str]], folder: str, what: str) -> None:
    """Raise UsageError for the files that are no files, and what each is instead."""
    if found:
        kind = found[0][1]
        paths = [entry.origin or str(PurePosixPath(folder, entry.path)) for entry, other in found if other == kind]
        raise stand_in_error(what, kind, paths)


class _Objects:
    """Reads objects from one running git."""

    def __init__(self, git: Git, what: str) -> None:
        self._command = git.command("cat-file", "--batch")
        self._what = what
        self.total = 0

    def __enter__(self) -> _Objects:
        self._said = tempfile.TemporaryFile()
        self._git = subprocess.Popen(
            self._command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said
        )
        self._limit = threading.Timer(_TIMEOUT, self._git.kill)
        self._limit.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._limit.cancel()
        self._git.kill()
        self._git.communicate()
        self._said.close()

    def copy(self, entry: Entry, file: IO[bytes]) -> bytes:
        """Write an object's content into a file; answers how it begins."""
        source, words = self._ask(entry)
        if len(words) != 3 or words[1] != b"blob":
            raise self._broken(entry)
        left = int(words[2])
        self.total += left
        if self.total > _MAX_BYTES:
            raise too_large(self._what)
        beginning = b""
        while left:
            chunk = source.read(min(left, _CHUNK))
            if not chunk:
                raise self._broken(entry)
            beginning = beginning or chunk[:100]
            file.write(chunk)
            left -= len(chunk)
        source.read(1)  # the line feed that follows each object
        return beginning

    def target(self, entry: Entry) -> str:
        """Where a link leads."""
        text = io.BytesIO()
        self.copy(entry, text)
        return os.fsdecode(text.getvalue())

    def _ask(self, entry: Entry) -> tuple[IO[bytes], list[bytes]]:
        assert self._git.stdin is not None
        assert self._git.stdout is not None
        try:
            self._git.stdin.write(entry.id.encode() + b"\n")
            self._git.stdin.flush()
            return self._git.stdout, self._git.stdout.readline().split()
        except BrokenPipeError as error:
            raise self._broken(entry) from error

    def _broken(self, entry: Entry) -> ShipwayError:
        self._said.seek(0)
        said = self._said.read().decode("utf-8", "replace").strip()
        return ShipwayError(
            f"{self._what}: {shown(entry.path)} cannot be read from the repository: "
            + (said or "the object is missing, or git was stopped"),
            fix="in a partial clone, fetch what is missing: git fetch --refetch --no-filter; otherwise see git fsck",
        )


def _write_files(objects: _Objects, entries: Sequence[Entry], destination: Path, folder: str, what: str) -> None:
    pointers = []
    for entry in entries:
        place = _place(destination, entry, what)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("xb") as file:
                beginning = objects.copy(entry, file)
        except (FileExistsError, NotADirectoryError) as error:
            raise _taken(entry, what) from error
        place.chmod(0o755 if entry.mode == PROGRAM else 0o644)
        if kind := stand_in(beginning):
            pointers.append((entry, kind))
    _refuse_stand_ins(pointers, folder, what)


def _write_links(objects: _Objects, entries: Sequence[Entry], destination: Path, what: str) -> None:
    for entry in entries:
        place = _place(destination, entry, what)
        target = objects.target(entry)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(target)
        except (FileExistsError, NotADirectoryError) as error:
            raise _taken(entry, what) from error
    # Looked at once all are there: one link may lead through another.
    home = os.path.realpath(destination)
    for entry in entries:
        place = destination / entry.path
        inside = f"{os.path.realpath(place)}/".startswith(f"{home}/")
        if place.readlink().is_absolute() or not inside:
            raise leads_out(f"{what}/{entry.path}")


def _place(destination: Path, entry: Entry, what: str) -> Path:
    # git itself makes no such names; a repository that was tampered with may hold them.
    if any(part in ("", ".", "..") for part in entry.path.split("/")):
        raise leads_out(f"{what}/{entry.path}")
    return destination / entry.path


def _compare(entries: Sequence[Entry], destination: Path, what: str) -> None:
    """Raise ShipwayError unless the disk holds exactly these entries: names, modes and content."""
    expected = {entry.path: (_FILE if entry.mode == _OLD_FILE else entry.mode, entry.id) for entry in entries}
    kind = "sha256" if entries and len(entries[0].id) == 64 else "sha1"
    actual = {}
    for folder, folders, files in os.walk(destination):
        for path in (*map(Path(folder).joinpath, files), *map(Path(folder).joinpath, folders)):
            if path.is_symlink() or not path.is_dir():
                actual[str(path.relative_to(destination))] = _as_object(path, kind)
    changed = sorted(path for path in actual.keys() | expected.keys() if actual.get(path) != expected.get(path))
    if changed:
        raise ShipwayError(
            f"{what}: what was written is not what was committed: {_listed(changed)}",
            fix="look for damage: git fsck, and the disk's own messages; then deploy again",
            state="nothing was built",
        )


def _as_object(path: Path, kind: str) -> tuple[str, str]:
    """The mode and id that git would give a file or link."""
    status = path.lstat()
    digest = hashlib.new(kind, b"blob %d\0" % status.st_size, usedforsecurity=False)
    if stat.S_ISLNK(status.st_mode):
        # as it was written: a Path would leave out "./" and a "/" at the end
        digest.update(os.readlink(os.fsencode(path)))  # noqa: PTH115
        return LINK, digest.hexdigest()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return PROGRAM if status.st_mode & stat.S_IXUSR else _FILE, digest.hexdigest()


def _taken(entry: Entry, what: str) -> UsageError:
    return UsageError(
        f"{what}: {shown(entry.path)} and another name in the commit are the same name on this disk",
        fix="rename one of the two: names must differ by more than upper and lower case",
    )


def leads_out(what: str) -> UsageError:
    """The refusal of a link, or of a path, that leads out of what a service is made of."""
    return UsageError(
        f"{shown(what)} is a link or path that leads out of the folder",
        fix="commit files and links that stay inside the folder; to have the files of another folder of the app in it, "
        "name that one in the service's `include`",
    )


def too_large(what: str) -> UsageError:
    """The refusal of more than a service should need."""
    return UsageError(
        f"{what} is too large: over {MAX_FILES} files or {_MAX_BYTES // 1024**3} GiB",
        fix="keep data and dependencies out of the service's folder",
    )


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(shown(path) for path in paths[:_NAMED]) + more


def shown(path: str) -> str:
    """A name as messages may carry it: names in git are bytes, and need not be UTF-8."""
    return os.fsencode(path).decode("utf-8", "replace")
