"""The app's repository, read through the `git` command: commits only, never the working copy.

Paths are relative to the app's folder, the one that holds shipway.yaml, wherever in the repository that is.
"""

from __future__ import annotations

import os
import posixpath
import shlex
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from shipway.core.errors import ShipwayError, UsageError
from shipway.core.ports.building import Source
from shipway.core.releases.release import Commit
from shipway.local.source import git_names
from shipway.local.source.git_command import Git, message, sane
from shipway.local.source.git_export import (
    LINK,
    SUBMODULE,
    Entry,
    check_files,
    export_files,
    link_targets,
    list_files,
    stand_in,
    stand_in_error,
    submodule_error,
)
from shipway.local.source.included import assembled

_MAX_FILE_BYTES = 64 * 1024 * 1024
_MAX_LINKS = 8
_TREE = "040000"


class GitSource(Source):
    """The git repository that the app's `folder` belongs to.

    Raises ShipwayError when git is missing or the folder is in no repository.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        if not self._folder.is_dir():
            raise UsageError(f"{folder} is not a folder", fix="name the folder that holds shipway.yaml")
        self._git = Git(self._folder)
        found = self._git.run("rev-parse", "--show-prefix")
        if found.returncode != 0:
            fix = "run `git init` there and commit the app, or start shipway in the app's repository"
            if "dubious ownership" in message(found):
                fix = f"it belongs to another user; trust it with: git config --global --add safe.directory {self._folder}"
            raise ShipwayError(f"{self._folder} is not a git repository that can be read: {message(found)}", fix=fix)
        self._prefix = os.fsdecode(found.stdout.rstrip(b"\n")).rstrip("/")

    def folder(self, path: str, start: str = "") -> str:
        found = (self._folder / path).resolve()
        if not found.is_relative_to(self._folder) or found == self._folder:
            raise UsageError(f"{found} is outside of {self._folder}", fix="name a folder of a service")
        return os.path.relpath(found, self._folder / start)

    def resolve(self, revision: str) -> Commit:
        named = git_names.resolve(self._git, revision)
        shown = self._git.must(
            "log", "-1", "--no-show-signature", "--encoding=UTF-8", "--format=%s%x00%an <%ae>", named.id
        )
        subject, _, author = shown.decode("utf-8", "replace").rstrip("\n").partition("\0")
        return Commit(named.id, subject, author, named.branch, named.note)

    def current_branch(self) -> str | None:
        return git_names.current_branch(self._git)

    def read(self, commit: Commit, path: str) -> bytes:
        entry = self.file(commit, path)
        size = int(self._git.must("cat-file", "-s", entry.id))
        if size > _MAX_FILE_BYTES:
            raise UsageError(
                f"commit {commit.short}: {path} has {size} bytes; at most {_MAX_FILE_BYTES} are read",
                fix="keep large data out of the repository",
            )
        content = self._git.must("cat-file", "blob", entry.id)
        if kind := stand_in(content):
            raise stand_in_error(f"commit {commit.short}", kind, [path])
        return content

    def file(self, commit: Commit, path: str) -> Entry:
        """The committed file at a path, links followed. Raises UsageError when there is none."""
        entry = self._entry(commit, self._followed(commit, path))
        if entry.mode == SUBMODULE:
            raise submodule_error(f"commit {commit.short}", "", [path])
        if entry.mode in (_TREE, LINK):
            kind = "a folder" if entry.mode == _TREE else "a link that leads to itself"
            raise UsageError(f"commit {commit.short}: {path} is {kind}, not a file", fix="name a file")
        return entry

    def is_in(self, commit: str, newer: str) -> bool:
        return self._git.run("merge-base", "--is-ancestor", commit, newer).returncode == 0

    def has(self, commit: Commit, path: str) -> bool:
        """Whether the commit has a file or folder there; links on the way are followed."""
        if self._find(commit, path) is not None:
            return True
        try:
            return self._find(commit, self._followed(commit, path)) is not None
        except UsageError:  # a link leads out of the app's folder
            return False

    def names(self, commit: Commit, path: str) -> frozenset[str]:
        """The names that a committed folder holds, itself not looked into."""
        listed = self._git.must("ls-tree", "-z", "--name-only", "--full-tree", self.tree_id(commit, path))
        return frozenset(os.fsdecode(name) for name in listed.split(b"\0") if name)

    def tree_id(self, commit: Commit, path: str, *, links: bool = False) -> str:
        """The object name of a folder's tree: equal content has an equal name, whatever the commit.

        `links`: whether links may lead to it. Raises UsageError when the commit has no such folder.
        """
        entry = self._entry(commit, self._followed(commit, path) if links else path)
        if entry.mode == SUBMODULE:
            raise submodule_error(f"commit {commit.short}", "", [path])
        if entry.mode != _TREE:
            kind = "a link" if entry.mode == LINK else "a file"
            raise UsageError(f"commit {commit.short}: {path} is not a folder but {kind}", fix="name the folder itself")
        return entry.id

    def export(self, commit: Commit, path: str, destination: Path, include: Sequence[str] = ()) -> None:
        """Write a folder as committed into `destination`, which is made and must not hold anything yet.

        In the place of links that lead into the folders `include` comes what they lead to. Raises UsageError for a
        missing folder, and for what the commit does not hold or must not: submodules, pointers to files that lie
        elsewhere, links that lead out of these folders.
        """
        entries = self._files(commit, path, include)
        export_files(self._git, entries, destination, path, f"commit {commit.short}: {path}")

    def check_whole(self, commit: Commit, path: str, include: Sequence[str] = ()) -> None:
        """Raise UsageError when a folder is not there, or does not hold its own files: see `export`."""
        check_files(self._git, self._files(commit, path, include), path, f"commit {commit.short}: {path}")

    def lies_here(self, path: str) -> bool:
        """Whether the working copy has something there, committed or not."""
        return (self._folder / path).exists()

    def uncommitted(self, commit: Commit, paths: Sequence[str]) -> list[str]:
        """What the working copy holds at or below `paths` and the commit does not, if that is what is checked out."""
        if self._git.line("rev-parse", "--verify", "--quiet", "HEAD") != commit.id:
            return []
        changed = self._git.must(
            *("-c", "core.fsmonitor=false", "status", "--porcelain=v1", "-z", "--no-renames"),
            *("--untracked-files=normal", "--", *paths),
        )
        names = (os.fsdecode(line[3:]) for line in changed.split(b"\0") if line)
        return sorted(posixpath.relpath(name, self._prefix or ".") for name in names)

    def _files(self, commit: Commit, path: str, include: Sequence[str]) -> list[Entry]:
        """What a folder holds, with what the links into the folders `include` lead to in their place."""
        named = f"commit {commit.short}"
        folders = [str(PurePosixPath(folder)) for folder in (path, *include)]
        trees = {
            folder: list_files(self._git, self.tree_id(commit, folder), folder, f"{named}: {folder}")
            for folder in folders
        }
        if not include:
            return trees[folders[0]]
        links = {
            f"{folder}/{link}": target
            for folder, entries in trees.items()
            for link, target in link_targets(self._git, entries, f"{named}: {folder}").items()
        }
        return assembled(folders[0], trees, links, named)

    def _followed(self, commit: Commit, path: str) -> str:
        """The path with all links in it followed; one that leads in a circle is left as it is.

        Raises UsageError for a link that leads out of the app's folder.
        """
        followed = path
        for _ in range(_MAX_LINKS):
            end = self._find(commit, followed)
            above = (self._find(commit, str(folder)) for folder in reversed(PurePosixPath(followed).parents[:-1]))
            way = [end] if end is not None else above
            link = next((entry for entry in way if entry is not None and entry.mode == LINK), None)
            if link is None:
                return followed
            target = os.fsdecode(self._git.must("cat-file", "blob", link.id))
            rest = PurePosixPath(followed).relative_to(link.path)
            followed = posixpath.normpath(posixpath.join(posixpath.dirname(link.path), target, rest))
        return path

    def _entry(self, commit: Commit, path: str) -> Entry:
        found = self._find(commit, path)
        if found is not None:
            return found
        # What lies above may say why it is not there.
        for folder in reversed(PurePosixPath(path).parents[:-1]):
            above = self._find(commit, str(folder))
            if above is not None and above.mode == SUBMODULE:
                raise submodule_error(f"commit {commit.short}: {path}", "", [str(folder)])
            if above is not None and above.mode == LINK:
                raise UsageError(
                    f"commit {commit.short}: {path} leads through {folder}, which is a link",
                    fix="name the folder itself",
                )
        raise UsageError(
            f"commit {commit.short} has no {self._from_top(path)}",
            fix=f"commit it: git add {shlex.quote(path)} && git commit",
        )

    def _find(self, commit: Commit, path: str) -> Entry | None:
        if path.startswith("/") or ".." in PurePosixPath(path).parts or not sane(path):
            raise UsageError(f"{path!r} leads out of the app's folder", fix="name a path below the app's folder")
        wanted = self._from_top(path)
        if wanted == ".":
            tree = self._git.must("rev-parse", "--verify", "--end-of-options", f"{commit.id}^{{tree}}")
            return Entry(_TREE, tree.decode().strip(), ".")
        listed = self._git.must("ls-tree", "-z", "--full-tree", commit.id, "--", wanted)
        for line in listed.split(b"\0"):
            attributes, _, name = line.partition(b"\t")
            if os.fsdecode(name) == wanted:
                mode, _, id = attributes.decode().split()
                return Entry(mode, id, path)
        return None

    def _from_top(self, path: str) -> str:
        """The path from the repository's root."""
        return str(PurePosixPath(self._prefix, path))
