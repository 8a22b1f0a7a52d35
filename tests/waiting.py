"""Waiting for what other threads and processes do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, TypeVar

T = TypeVar("T")
PATIENCE = 60.0
"""Far longer than anything here takes: only a test that fails waits for so long, also on a busy machine."""
_PAUSE = 0.01


def wait_for(condition: Callable[[], T | Literal[False] | None], what: object = "", *, seconds: float = PATIENCE) -> T:
    """What the condition answers, once that is true; fails the test after so many seconds, saying `what`."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"this did not happen within {seconds:g} s: {what or condition}"
        time.sleep(_PAUSE)
    return answer
