"""Progress, a line at a time."""

from __future__ import annotations

from collections.abc import Callable

Tell = Callable[[str], None]
"""Receives one line of progress at a time."""
