"""The app's repository, read through the `git` command: commits only, never the working copy."""

from __future__ import annotations

import os
import posixpath
import subprocess
import tarfile
import threading
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from shipway.core.errors import ShipwayError, UsageError
from shipway.core.ports import Source
from shipway.core.release import Commit

_TIMEOUT = 30.0
_EXPORT_TIMEOUT = 300.0
_MAX_NAME = 1000
_MAX_FILE_BYTES = 64 * 1024 * 1024
_MAX_EXPORT_FILES = 50_000
_MAX_EXPORT_BYTES = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: str
    id: str
    size: int


class GitSource(Source):
    """The git repository at `folder`.

    Raises ShipwayError when git is missing or the folder is no repository.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        if not self._folder.is_dir():
            raise UsageError(f"{folder} is not a folder", fix="name the folder that holds shipway.yaml")
        found = self._run("rev-parse", "--git-dir")
        if found.returncode != 0:
            raise ShipwayError(
                f"{self._folder} is not a git repository that can be read: {_message(found)}",
                fix="run `git init` there and commit the app, or start shipway in the app's repository",
            )

    def resolve(self, revision: str) -> Commit:
        if not revision or revision.startswith("-") or not _sane(revision):
            raise UsageError(
                f"{revision!r} is not a revision", fix="name a commit, a branch or a tag, such as main or 1a2b3c4"
            )
        found = self._run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if found.returncode != 0:
            raise self._unknown(revision)
        identity = found.stdout.decode().strip()
        shown = self._must("log", "-1", "--no-show-signature", "--encoding=UTF-8", "--format=%s%x00%an <%ae>", identity)
        subject, _, author = shown.decode("utf-8", "replace").rstrip("\n").partition("\0")
        return Commit(identity, subject, author, self._branch_of(revision))

    def current_branch(self) -> str | None:
        found = self._run("symbolic-ref", "--quiet", "--short", "HEAD")
        return found.stdout.decode().strip() if found.returncode == 0 else None

    def read(self, commit: Commit, path: str) -> bytes:
        entry = self._entry(commit, path)
        if entry.kind != "blob":
            raise UsageError(f"commit {commit.short}: {path} is a folder, not a file", fix="name a file")
        if entry.size > _MAX_FILE_BYTES:
            raise UsageError(
                f"commit {commit.short}: {path} has {entry.size} bytes; at most {_MAX_FILE_BYTES} are read",
                fix="keep large data out of the repository",
            )
        return self._must("cat-file", "blob", entry.id)

    def is_in(self, commit: str, newer: str) -> bool:
        return self._run("merge-base", "--is-ancestor", commit, newer).returncode == 0

    def has(self, commit: Commit, path: str) -> bool:
        """Whether the commit has a file or folder there."""
        return self._find(commit, path) is not None

    def tree_id(self, commit: Commit, path: str) -> str:
        """The object name of a folder's tree: equal content has an equal name, whatever the commit.

        Raises UsageError when the commit has no such folder.
        """
        entry = self._entry(commit, path)
        if entry.kind != "tree":
            raise UsageError(f"commit {commit.short}: {path} is not a folder", fix="name the service's folder")
        return entry.id

    def export(self, commit: Commit, path: str, destination: Path) -> None:
        """Write a folder as committed into `destination`, which is made and must not hold anything yet.

        Raises UsageError for a missing folder, and for links that lead out of it.
        """
        # The tree, not the commit, is archived: `export-subst` would put the commit into the content.
        tree = self.tree_id(commit, path)
        destination.mkdir(parents=True, exist_ok=True)
        command = self._command("-c", "core.autocrlf=false", "archive", "--format=tar", tree)
        with subprocess.Popen(
            command, env=_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as archive:
            limit = threading.Timer(_EXPORT_TIMEOUT, archive.kill)
            limit.start()
            try:
                assert archive.stdout is not None
                assert archive.stderr is not None
                _extract(archive.stdout, destination, f"commit {commit.short}: {path}")
                archive.stdout.read()
                failure = archive.stderr.read().decode("utf-8", "replace").strip()
            except BaseException:
                archive.kill()
                raise
            finally:
                limit.cancel()
        if archive.returncode != 0:
            raise ShipwayError(f"git archive of {path} at {commit.short} failed: {failure or 'it was stopped'}")

    def _unknown(self, revision: str) -> UsageError:
        if self._run("rev-parse", "--verify", "--quiet", "HEAD^{commit}").returncode != 0:
            return UsageError(
                f"no commit {revision!r}: the repository has no commits yet",
                fix="commit the app: git add -A && git commit",
            )
        listed = self._must("for-each-ref", "--count=20", "--format=%(refname:short)", "refs/heads").decode()
        branches = ", ".join(listed.split()) or "none"
        return UsageError(
            f"no commit {revision!r} in {self._folder}",
            fix=f"name a commit, a tag or a branch (branches: {branches}); fetch it first when it is elsewhere",
        )

    def _branch_of(self, revision: str) -> str | None:
        if revision == "HEAD":
            return self.current_branch()
        name = revision.removeprefix("refs/heads/")
        known = self._run("show-ref", "--verify", "--quiet", f"refs/heads/{name}").returncode == 0
        return name if known else None

    def _entry(self, commit: Commit, path: str) -> _Entry:
        found = self._find(commit, path)
        if found is None:
            raise UsageError(f"commit {commit.short} has no {path}", fix=f"commit it: git add {path} && git commit")
        return found

    def _find(self, commit: Commit, path: str) -> _Entry | None:
        parts = PurePosixPath(path).parts
        if path.startswith("/") or ".." in parts or not _sane(path):
            raise UsageError(f"{path!r} leads out of the repository", fix="name a path below the repository's root")
        if not parts:
            tree = self._must("rev-parse", "--verify", "--end-of-options", f"{commit.id}^{{tree}}")
            return _Entry("tree", tree.decode().strip(), 0)
        wanted = "/".join(parts)
        listed = self._must("ls-tree", "-z", "-l", "--full-tree", commit.id, "--", wanted)
        for line in listed.split(b"\0"):
            attributes, _, name = line.partition(b"\t")
            if os.fsdecode(name) == wanted:
                _, kind, identity, size = attributes.decode().split()
                return _Entry(kind, identity, 0 if size == "-" else int(size))
        return None

    def _must(self, *arguments: str) -> bytes:
        done = self._run(*arguments)
        if done.returncode != 0:
            raise ShipwayError(f"git {arguments[0]} failed in {self._folder}: {_message(done)}")
        return done.stdout

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                self._command(*arguments),
                env=_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_TIMEOUT,
                check=False,
            )
        except FileNotFoundError as error:
            raise ShipwayError("git is not on the PATH", fix="install git, then try again") from error
        except subprocess.TimeoutExpired as error:
            raise ShipwayError(f"git {arguments[0]} gave no answer within {_TIMEOUT:.0f} s") from error

    def _command(self, *arguments: str) -> list[str]:
        return ["git", "-C", str(self._folder), *arguments]


def _environment() -> dict[str, str]:
    # A git hook that starts shipway sets GIT_DIR and others, which would point at another repository.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {
        "LC_ALL": "C.UTF-8",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_LITERAL_PATHSPECS": "1",
    }


def _sane(text: str) -> bool:
    """Whether git can be asked for it: NUL, lone surrogates and endless names cannot even be passed on."""
    return len(text) <= _MAX_NAME and text.isprintable()


def _message(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stderr.decode("utf-8", "replace").strip() or f"exit code {done.returncode}"


def _extract(stream: IO[bytes], destination: Path, what: str) -> None:
    files = total = 0
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            # Python before 3.11.4 has no data filter; `_check_inside` alone has to do there.
            archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
            for member in archive:
                files += 1
                total += member.size
                if files > _MAX_EXPORT_FILES or total > _MAX_EXPORT_BYTES:
                    raise UsageError(
                        f"{what} is too large: over {_MAX_EXPORT_FILES} files or {_MAX_EXPORT_BYTES // 1024**3} GiB",
                        fix="keep data and dependencies out of the service's folder",
                    )
                _check_inside(member, what)
                archive.extract(member, destination)
    except tarfile.TarError as error:
        raise ShipwayError(f"{what}: git archive broke off: {error}") from error


def _check_inside(member: tarfile.TarInfo, what: str) -> None:
    linked = posixpath.normpath(posixpath.join(posixpath.dirname(member.name), member.linkname))
    for path in (posixpath.normpath(member.name), linked if member.issym() else "."):
        if path.startswith("/") or path.split("/")[0] == "..":
            raise UsageError(
                f"{what}/{member.name} is a link or path that leads out of the folder",
                fix="commit files and links that stay inside the folder",
            )
    if not (member.isreg() or member.isdir() or member.issym()):
        raise UsageError(f"{what}/{member.name} is no file, folder or link", fix="commit plain files")
