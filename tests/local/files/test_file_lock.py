"""Locks between processes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from shipway.core.errors import ShipwayError
from shipway.local.files.file_lock import locked

HOLDER = """
import sys, time
from pathlib import Path
from shipway.local.files.file_lock import locked
with locked(Path(sys.argv[1]), 5, "testing"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_only_one_holds_a_lock(tmp_path):
    """Another process is waited for, no longer than asked; the error says what waits."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert "held\n" == holder.stdout.readline()
        waits = pytest.raises(ShipwayError, match=r"building web: another process has held .* for 0 s")
        with waits, locked(tmp_path / "lock", 0.05, "building web"):
            raise AssertionError
        holder.kill()
    with locked(tmp_path / "lock", 5, "building web"):
        assert (tmp_path / "lock").exists()


def test_a_child_that_inherits_the_lock_keeps_it(tmp_path):
    """What outlives its killed parent is still seen at work."""
    with locked(tmp_path / "lock", 1, "first") as held:
        child = subprocess.Popen(["sleep", "600"], pass_fds=(held,))
    with pytest.raises(ShipwayError), locked(tmp_path / "lock", 0.05, "second"):
        raise AssertionError
    child.kill()
    child.wait()
    with locked(tmp_path / "lock", 5, "third") as again:
        assert not os.get_inheritable(again)
