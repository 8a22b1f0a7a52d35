"""What `include` brings into a service: committed folders in the place of the links that lead into them.

Works on lists of entries alone. Paths are from the app's folder, and links are followed as a system call follows them,
so that a service holds at a path what a checkout shows there.
"""

from __future__ import annotations

import posixpath
import shlex
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from shipway.core.errors import UsageError
from shipway.local.source.git_export import LINK, MAX_FILES, Entry, leads_out, shown, too_large

_MAX_LINKS = 40


def assembled(folder: str, trees: Mapping[str, Sequence[Entry]], links: Mapping[str, str], commit: str) -> list[Entry]:
    """The entries of a service whose folder is `folder`, links into the other `trees` replaced by what they lead to.

    `trees`: folder → entries, the service's own included. `links`: path → target of every link among them. `commit`
    names it in messages. Raises UsageError for a folder to which no link leads, and for links that lead to nothing,
    in a circle, or out of what is included.
    """
    assembly = _Assembly(folder, trees, links, commit)
    entries = list(islice(assembly.copied(folder), MAX_FILES + 1))
    if len(entries) > MAX_FILES:
        raise too_large(f"{commit}: {folder}")
    if unused := sorted(trees.keys() - {folder} - assembly.used):
        target = posixpath.relpath(f"/{unused[0]}", f"/{folder}")
        raise UsageError(
            f"{commit}: no link in {folder} leads into {unused[0]}, which it includes",
            fix=f"commit one where the folder is wanted, such as ln -s {shlex.quote(target)} {shlex.quote(folder)}/, "
            "or leave it out of `include`",
        )
    return entries


class _Assembly:
    def __init__(
        self, folder: str, trees: Mapping[str, Sequence[Entry]], links: Mapping[str, str], commit: str
    ) -> None:
        self.used: set[str] = set()
        self._folder = folder
        self._trees = trees
        self._links = links
        self._commit = commit
        self._entries = {f"{tree}/{entry.path}": entry for tree, entries in trees.items() for entry in entries}
        self._paths = sorted(self._entries)

    def copied(self, home: str, place: str = "", above: tuple[str, ...] = ()) -> Iterator[Entry]:
        """The entries of the folder `home` as they come to lie in the service's folder at `place`.

        Links that stay in `home` stay links. `above`: the folders whose copies this one is put into.
        """
        for path in self._below(home):
            entry = self._entries[path]
            at = posixpath.join(place, path[len(home) + 1 :])
            target = self._outside(path, home) if entry.mode == LINK else None
            if target is None:
                yield Entry(entry.mode, entry.id, at, path)
            elif target in self._entries:
                yield Entry(self._entries[target].mode, self._entries[target].id, at, target)
            elif target in above or len(above) == _MAX_LINKS:
                raise UsageError(
                    f"{self._commit}: {shown(path)} leads to {shown(target)}, which leads back to it",
                    fix="take one link out of the circle",
                )
            else:
                yield from self.copied(target, at, (*above, target))

    def _outside(self, link: str, home: str) -> str | None:
        """The included file or folder that a link leads to in the end; None where it never leaves `home`."""
        at, ahead, followed, outside = posixpath.dirname(link), [posixpath.basename(link)], 0, False
        while ahead:
            part = ahead.pop(0)
            if part in ("", ".", "..") and not self._is_folder(at):
                ahead = [part, *ahead]
                break
            if part in ("", "."):
                continue
            if part == ".." and not at:
                raise self._leads_out(link)
            at = posixpath.dirname(at) if part == ".." else posixpath.join(at, part)
            outside = outside or not _holds(home, at)
            # What else the commit holds may be links: where they would lead from there is not looked up.
            if outside and not any(_holds(tree, at) or _holds(at, tree) for tree in self._trees):
                raise self._leads_out(link)
            if (text := self._links.get(at)) is not None:
                followed += 1
                if text.startswith("/") or followed > _MAX_LINKS:
                    break
                at, ahead = posixpath.dirname(at), [*text.split("/"), *ahead]
        if not outside:
            return None
        included = next((tree for tree in self._trees if tree != self._folder and _holds(tree, at)), None)
        if included is None or at in self._links:
            raise self._leads_out(link)
        if ahead or (at not in self._entries and not self._is_folder(at)):
            raise UsageError(
                f"{self._commit}: {shown(link)} leads to {shown(at)}, which is not in the commit",
                fix=f"commit that, or take the link out: git rm {shlex.quote(shown(link))}",
            )
        self.used.add(included)
        return at

    def _leads_out(self, link: str) -> UsageError:
        return leads_out(f"{self._commit}: {link}")

    def _is_folder(self, path: str) -> bool:
        """Whether a folder lies there, as far as is known here."""
        return self._below(path) != [] or any(_holds(path, tree) for tree in self._trees)

    def _below(self, folder: str) -> list[str]:
        """The paths below a folder; "0" is the character that follows "/"."""
        return self._paths[bisect_left(self._paths, f"{folder}/") : bisect_left(self._paths, f"{folder}0")]


def _holds(folder: str, path: str) -> bool:
    """Whether a path is the folder, or lies below it."""
    return not folder or path == folder or path.startswith(f"{folder}/")
