"""A process without its starter's environment: what it was started with stands in `/proc` as long as it lives."""

from __future__ import annotations

import os
import sys

from shipway.core.daemon.environment import kept


def start_clean() -> None:
    """Begin this program again with the variables that the daemon keeps, unless it was started with no others."""
    clean = kept(os.environ)
    if clean != dict(os.environ):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], clean)  # noqa: S606 - the very program that runs
