"""Folders that must not change once they are made: compiled, digested, write-protected."""

from __future__ import annotations

import compileall
import hashlib
import os
import py_compile
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

_SEALED = stat.S_IRUSR | stat.S_IXUSR


def compile_tree(tree: Path, final: Path) -> None:
    """Compile the Python files of `tree`, which will lie at `final`; files that are not valid Python are skipped.

    The bytecode names no time and is not checked against its source: equal trees stay equal byte for byte, and
    tasks start without looking at the sources.
    """
    compileall.compile_dir(
        tree,
        quiet=2,
        stripdir=str(tree),
        prependdir=str(final),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )


def file_digests(tree: Path) -> dict[str, str]:
    """Relative path → SHA-256 of every file's bytes, or of a link's target."""
    return {path.relative_to(tree).as_posix(): _digest(path) for path in _files(tree)}


def differences(tree: Path, expected: Mapping[str, str]) -> list[str]:
    """The files that were changed, added or removed since `expected` was taken, sorted."""
    actual = file_digests(tree)
    return sorted(path for path in actual.keys() | expected.keys() if actual.get(path) != expected.get(path))


def seal(tree: Path) -> None:
    """Let its owner only read, and nobody else do anything."""
    for path in _files(tree):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & _SEALED)
    for folder in _folders(tree):
        folder.chmod(folder.stat().st_mode & _SEALED)


def copy_for_writing(tree: Path, destination: Path) -> None:
    """A copy of a tree, sealed or not, that may be written to."""
    shutil.copytree(tree, destination, symlinks=True)
    _allow_writing(destination)


def remove_tree(tree: Path) -> None:
    """Remove a tree, sealed or not; fine when there is none."""
    if tree.exists():
        _allow_writing(tree)
        shutil.rmtree(tree)


def _allow_writing(tree: Path) -> None:
    for folder in _folders(tree):
        folder.chmod(folder.stat().st_mode | stat.S_IRWXU)
    for path in _files(tree):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | stat.S_IWUSR)


def _files(tree: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(tree):
        yield from (Path(folder, name) for name in files)
        yield from (link for name in folders if (link := Path(folder, name)).is_symlink())


def _folders(tree: Path) -> Iterator[Path]:
    return (Path(folder) for folder, _, _ in os.walk(tree))


def _digest(path: Path) -> str:
    if path.is_symlink():
        return "link:" + hashlib.sha256(os.fsencode(path.readlink())).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
