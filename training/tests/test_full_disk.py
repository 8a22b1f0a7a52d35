"""A disk that is full at any write of any step: nothing half-visible, a reason, and the result once there is room."""

from __future__ import annotations

import builtins
import errno
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from conftest import WINDOWS, reason, run, step, train

pytestmark = pytest.mark.slow

MOST_WRITES = 60
TUNE = ["--vary", "leaves=4..31", "--set", "rounds=2", "--trials", "2", "--months", "1"]


class FullDisk:
    """From the write number `at` on, half of what is written arrives, and then there is no room."""

    def __init__(self, at: int) -> None:
        self.at, self.writes = at, 0

    def wrapped(self, opened: Callable[..., Any]) -> Callable[..., Any]:
        """`open` of files that fail so."""

        def opening(file: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
            found = opened(file, mode, *more, **named)
            if "b" not in mode or not set(mode) & set("wa+x") or isinstance(file, int):
                return found
            write = found.write

            def writing(data: bytes) -> int:
                self.writes += 1
                if self.writes < self.at:
                    return int(write(data))
                write(data[: len(data) // 2])
                found.flush()
                raise OSError(errno.ENOSPC, "No space left on device", str(file))

            return _Written(found, writing)

        return opening


class _Written:
    """A file with another `write`."""

    def __init__(self, file: Any, write: Callable[[bytes], int]) -> None:
        self._file, self.write = file, write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _Written:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch, at: int) -> Iterator[FullDisk]:
    """The disk is full from that write on."""
    disk = FullDisk(at)
    with monkeypatch.context() as patched:
        patched.setattr(io, "open", disk.wrapped(io.open))
        patched.setattr(builtins, "open", disk.wrapped(builtins.open))
        yield disk


def results(base: Path) -> dict[str, bytes]:
    """The files that a step leaves for others."""
    folders = (base / "model", base / "processing" / "output")
    return {
        str(path.relative_to(base)): path.read_bytes()
        for folder in folders
        for path in folder.rglob("*")
        # what alone differs from run to run
        if path.is_file() and path.name != "latency.json"
    }


def few_flights(bucket: Path, folder: Path) -> Path:
    """Each twentieth flight of the bucket."""
    for path in sorted((bucket / "flights").rglob("*.csv")):
        header, *lines = path.read_text().splitlines(keepends=True)
        target = folder / "flights" / path.relative_to(bucket / "flights")
        target.parent.mkdir(parents=True)
        target.write_text("".join([header, *lines[::20]]))
    return folder / "flights"


@pytest.mark.parametrize("name", ["prepare", "tune", "train", "evaluate", "bias", "package"])
def test_a_full_disk_leaves_nothing_half(
    bucket: Path, prepared: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """At each write: exit code 1 with the reason, no file that is not whole; then the same result as without it."""
    tested = {"model": model, "test": tmp_path / "some"}
    words, inputs = {
        "prepare": (WINDOWS, {"flights": few_flights(bucket, tmp_path), "weather": bucket / "weather"}),
        "tune": (TUNE, {"training": tmp_path / "two-months"}),
        "train": ([], {}),
        "evaluate": ([], tested),
        "bias": (["--facet", "origin=EWR"], tested),
        "package": ([], {**tested, "training": tmp_path / "some", "prepared": prepared / "prepared"}),
    }[name]
    both = pl.concat([pl.read_parquet(prepared / part / "rows.parquet") for part in ("training", "test")])
    for folder in ("two-months", "some"):
        (tmp_path / folder).mkdir()
        both.gather_every(20).write_parquet(tmp_path / folder / "rows.parquet")

    def carried_out(base: Path) -> int:
        (base / "checkpoints").mkdir(parents=True, exist_ok=True)
        if name == "train":
            return train(base, prepared, {"rounds": "2", "block": "1"})
        if (base / "processing").exists():
            return run(base, name, *words)
        return step(base, name, *words, inputs=inputs)

    assert 0 == carried_out(tmp_path / "whole")
    wanted = results(tmp_path / "whole")
    assert wanted
    failed = 0
    for at in range(1, MOST_WRITES):
        base = tmp_path / str(at)
        with full_disk(monkeypatch, at) as disk:
            code = carried_out(base)
        if disk.writes < at:
            assert (0, wanted) == (code, results(base))
            break
        failed += 1
        assert 1 == code
        assert "No space left" in reason(base, "failure" if name == "train" else "message")
        assert set(wanted.items()) >= set(results(base).items())
        assert 0 == carried_out(base)
        assert wanted == results(base)
    else:
        raise AssertionError(f"more than {MOST_WRITES} writes")
    assert failed >= 1
