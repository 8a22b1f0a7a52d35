"""Ports that tests running side by side never share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.free_ports import free_port

DRAW = "import sys; from tests import free_ports as ports; ports._PORTS = range(port := int(sys.argv[1]), port + 1); print(ports.free_port())"


def drawn_elsewhere(port: int) -> subprocess.CompletedProcess[str]:
    """Another process that may have this port alone."""
    words = [sys.executable, "-c", DRAW, str(port)]
    return subprocess.run(words, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)


def test_a_port_is_given_once() -> None:
    """Neither twice here nor to another process, also while nobody listens on it yet."""
    ports = [free_port() for _ in range(20)]
    assert 20 == len(set(ports))
    elsewhere = drawn_elsewhere(ports[-1])
    assert (1, "") == (elsewhere.returncode, elsewhere.stdout)
    assert f"no port between {ports[-1]} and {ports[-1]} is free" in elsewhere.stderr
