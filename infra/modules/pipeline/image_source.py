"""What an image is made of: the committed files of a service, what it includes in the place of the links to it.

    python infra/modules/pipeline/image_source.py tag PATH [INCLUDED …]
    python infra/modules/pipeline/image_source.py copy FOLDER PATH [INCLUDED …]

Run in the repository, by the buildspecs and by whoever builds an image elsewhere: container engines copy links as
links, so an image is built of such a copy. PATH and INCLUDED are a service's `path` and `include` in shipway.yaml;
`.` is a repository that is one service. Needs Python's standard library and git. A service in a repository of its own
takes this file along.
"""

from __future__ import annotations

import argparse
import hashlib
import posixpath
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LINK, EXECUTABLE, SUBMODULE = "120000", "100755", "160000"
_LONGEST = 60.0
_MAX_FOLDERS = 40


class Refused(Exception):
    """The folders can't be made an image's source; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A committed file or link. `path` is from the repository's top, `blob` its git object."""

    mode: str
    blob: str
    path: str


def tag(folder: str, included: list[str], commit: str = "HEAD") -> str:
    """The folder's git tree; with folders that it includes, the SHA-256 over their trees and paths. Raises Refused."""
    trees = {path: _tree(path, commit) for path in (folder, *included)}
    if not included:
        return trees[folder]
    return hashlib.sha256("".join(f"{path} {tree}\n" for path, tree in sorted(trees.items())).encode()).hexdigest()


def copy(to: Path, folder: str, included: list[str], commit: str = "HEAD") -> None:
    """Write the service's files to the new folder `to`. Links that stay in the service stay links. Raises Refused."""
    source = _Source(folder, included, commit)
    entries = list(source.copied(_top(folder)))
    if unused := sorted(set(included) - source.used):
        raise Refused(f"no link in {folder} leads into {unused[0]}, which it includes: leave it out of `include`")
    to.mkdir(parents=True)
    for entry, place in entries:
        target = to / place
        target.parent.mkdir(parents=True, exist_ok=True)
        content = _git("cat-file", "blob", entry.blob)
        if entry.mode == LINK:
            target.symlink_to(content.decode())
        else:
            target.write_bytes(content)
            target.chmod(0o755 if entry.mode == EXECUTABLE else 0o644)


class _Source:
    def __init__(self, folder: str, included: list[str], commit: str) -> None:
        self.used: set[str] = set()
        self._included = included
        self._entries = {
            entry.path: entry for path in (folder, *included) for entry in _listed(_top(path), _tree(path, commit))
        }

    def copied(self, home: str, place: str = "", depth: int = 0) -> Iterator[tuple[Entry, str]]:
        """The entries of the folder `home`, and where each comes to lie in the copy."""
        for path, entry in sorted(self._entries.items()):
            if not _holds(home, path):
                continue
            at = posixpath.join(place, posixpath.relpath(path, home or "."))
            target = self._outside(entry, home) if entry.mode == LINK else None
            if target is None:
                yield entry, at
            elif target in self._entries and self._entries[target].mode != LINK:
                yield self._entries[target], at
            elif depth == _MAX_FOLDERS:
                raise Refused(f"{path} leads in a circle: take the link out")
            else:
                yield from self.copied(target, at, depth + 1)

    def _outside(self, link: Entry, home: str) -> str | None:
        """What of the included folders a link leads to; None where it stays in `home`."""
        text = _git("cat-file", "blob", link.blob).decode()
        target = posixpath.normpath(posixpath.join(posixpath.dirname(link.path), text))
        if not text.startswith("/") and _holds(home, target):
            return None
        folder = next((folder for folder in self._included if _holds(folder, target)), None)
        there = target in self._entries or any(_holds(target, path) for path in self._entries)
        if text.startswith("/") or folder is None or not there:
            raise Refused(
                f"{link.path} leads to {text}, which is in no folder that the service includes: put that into `include`, "
                "or take the link out"
            )
        self.used.add(folder)
        return target


def _listed(folder: str, tree: str) -> Iterator[Entry]:
    for line in _git("ls-tree", "-rz", "--full-tree", tree).decode().split("\0")[:-1]:
        about, path = line.split("\t", 1)
        mode, _, blob = about.split()
        path = posixpath.join(folder, path)
        if mode == SUBMODULE:
            raise Refused(f"{path} is a submodule, whose files the commit does not hold: copy them in")
        yield Entry(mode, blob, path)


def _tree(folder: str, commit: str) -> str:
    try:
        tree = _git("rev-parse", "--verify", f"{commit}:{_top(folder)}").decode().strip()
        return _git("rev-parse", "--verify", f"{tree}^{{tree}}").decode().strip()
    except Refused:
        raise Refused(f"{commit} holds no folder {folder}: look at `path` and `include`, and commit it") from None


def _top(folder: str) -> str:
    return "" if folder == "." else posixpath.normpath(folder)


def _holds(folder: str, path: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")


def _git(*words: str) -> bytes:
    try:
        done = subprocess.run(["git", *words], capture_output=True, timeout=_LONGEST, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused(f"git does not answer: {error}") from error
    if done.returncode != 0:
        raise Refused(f"git {words[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def main(words: list[str]) -> int:
    """Exit code 0, or 1 after a refusal."""
    parser = argparse.ArgumentParser(description="The committed files of which a service's image is built.")
    parser.add_argument("--commit", default="HEAD", help="commit or tree, HEAD by default")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, text in (("tag", "print the image's tag"), ("copy", "write the files to a new folder")):
        command = verbs.add_parser(verb, help=text)
        if verb == "copy":
            command.add_argument("to", type=Path, metavar="FOLDER")
        command.add_argument("path")
        command.add_argument("included", nargs="*")
    given = parser.parse_args(words)
    try:
        if given.verb == "tag":
            sys.stdout.write(tag(given.path, given.included, given.commit) + "\n")
        else:
            copy(given.to, given.path, given.included, given.commit)
    except (Refused, FileExistsError) as error:
        sys.stderr.write(f"image source: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
