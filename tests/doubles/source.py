"""The app's repository in memory."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path

from shipway.core.errors import UsageError
from shipway.core.ports.building import Source
from shipway.core.releases.release import Commit


class FakeSource(Source):
    """Commits are their names; each is on main. c2 is newer than c1; d1 is on another line.

    `files` are in every commit, `by_commit` in one of them instead; `dirty` is the commit that is checked out with a new file in each folder.
    """

    def __init__(self, root: Path = Path("/app")) -> None:
        self.root = root
        self.files = {"shipway.yaml": b"", "training/requirements.lock": b""}
        self.by_commit: dict[tuple[str, str], bytes] = {}
        self.dirty: str | None = "dirty"

    def folder(self, path: str, start: str = "") -> str:
        found = posixpath.normpath(self.root / path)
        if not found.startswith(f"{self.root}/"):
            raise UsageError(f"{found} is outside of {self.root}", fix="name a folder of a service")
        return posixpath.relpath(found, self.root / start)

    def resolve(self, revision: str) -> Commit:
        if revision == "unknown" or not revision.strip():
            raise UsageError(f"no commit {revision!r}")
        return Commit(revision, f"subject of {revision}", "ann", "main")

    def current_branch(self) -> str | None:
        return "main"

    def read(self, commit: Commit, path: str) -> bytes:
        if (commit.id, path) in self.by_commit:
            return self.by_commit[commit.id, path]
        if path not in self.files:
            raise UsageError(f"commit {commit.short} has no {path}")
        return self.files[path]

    def is_in(self, commit: str, newer: str) -> bool:
        return commit[0] == newer[0] and commit <= newer

    def uncommitted(self, commit: Commit, paths: Sequence[str]) -> list[str]:
        return [f"{path}/new" for path in paths if commit.id == self.dirty]
