"""Logs of tasks: bounded while they are written, readable across rotation."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.local.files.log_file import open_for_append, rotate, tail

WRITER = """
import os, sys
log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for number in range(int(sys.argv[2])):
    os.write(log, b"%08d %s\\n" % (number, b"x" * 90))
os.close(1)
sys.stdin.read()
os.write(log, b"%08d %s\\n" % (int(sys.argv[2]), b"x" * 90))
"""
"""Writes that many lines, says by closing its output that it has, and adds one more when its input ends."""


def test_a_small_log_is_left_alone(tmp_path):
    """Nothing happens below the bound, nor to a log that is not there."""
    (tmp_path / "log").write_text("a\n")
    assert (False, False) == (rotate(tmp_path / "log", max_bytes=2), rotate(tmp_path / "none"))


def test_old_logs_move_on_and_the_oldest_goes(tmp_path):
    """The newest rotated log is .1, and only as many as asked for are kept."""
    log = tmp_path / "log"
    for text in ("one\n", "two\n", "three\n", "four\n"):
        log.write_text(text)
        assert rotate(log, max_bytes=3, keep=2)
    assert {"log": "", "log.1": "four\n", "log.2": "three\n"} == {p.name: p.read_text() for p in tmp_path.iterdir()}


def test_a_flood_is_cut_to_its_newest_whole_lines(tmp_path):
    """Of a log far beyond its bound only the end is kept, from the start of a line."""
    log = tmp_path / "log"
    log.write_text("".join(f"line {number:04d}\n" for number in range(1000)))
    assert rotate(log, max_bytes=105)
    assert [f"line {number:04d}" for number in range(990, 1000)] == (tmp_path / "log.1").read_text().splitlines()


def test_rotation_under_a_live_writer(tmp_path):
    """Lines stay apart, in order, none twice, while a process writes as fast as it can; some are lost at the cuts alone."""
    log, count = tmp_path / "log", 100_000
    command = [sys.executable, "-S", "-E", "-c", WRITER, str(log), str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdin
        assert writer.stdout
        while not select.select([writer.stdout], [], [], 0)[0]:
            rotate(log, max_bytes=1_000_000, keep=100)
        writer.stdin.close()
        assert 0 == writer.wait(60)
    files = sorted(tmp_path.glob("log.*"), key=lambda file: -int(file.suffix[1:]))
    lines = "".join(file.read_text() for file in (*files, log)).splitlines()
    whole = [int(line.split()[0]) for line in lines if len(line) == 99]
    assert len(files) >= len(lines) - len(whole)
    assert 99 >= max(len(line) for line in lines)
    assert sorted(set(whole)) == whole
    # How many a cut takes is the scheduler's; nothing written after the last one is lost.
    gaps = sum(1 for before, after in zip([-1, *whole], whole, strict=False) if after != before + 1)
    assert len(files) >= gaps
    assert count == whole[-1]


@pytest.mark.parametrize("lines", [0, 1, 3, 6, 50])
def test_tail_reads_across_rotated_files(tmp_path, lines):
    """The last lines, oldest first, as if the log were one file."""
    (tmp_path / "log.2").write_text("1\n2\n")
    (tmp_path / "log.1").write_text("3\n4\n")
    (tmp_path / "log").write_text("5\n6")
    assert ["1", "2", "3", "4", "5", "6"][max(0, 6 - lines) :] == tail(tmp_path / "log", lines)


@given(st.lists(st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=20), min_size=1, max_size=20))
def test_tail_takes_nothing_away(tmp_path_factory, lines):
    """Blanks, control characters and other line separators stay as they were written."""
    log = Path(tmp_path_factory.mktemp("tail"), "log")
    descriptor = open_for_append(log)
    os.write(descriptor, "".join(line + "\n" for line in lines).encode())
    os.close(descriptor)
    assert lines == tail(log, len(lines))


def test_tail_of_nothing_is_nothing(tmp_path):
    """A task that never wrote has no last lines."""
    assert [] == tail(tmp_path / "log", 10)


def test_tail_reads_a_bounded_part(tmp_path):
    """However long its lines, at most 1 MiB is read; broken text is still shown."""
    (tmp_path / "log").write_bytes(b"\xff" + b"x" * 3 * 1024 * 1024)
    (line,) = tail(tmp_path / "log", 5)
    assert 1024 * 1024 == len(line)
