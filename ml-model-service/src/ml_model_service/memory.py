"""Memory of models that are gone."""

from __future__ import annotations

import ctypes
import sys
from typing import Any


def give_back() -> None:
    """Give freed memory back to the system. May take milliseconds: call it beside the event loop's thread.

    glibc keeps what was freed for itself: of 30 models of 0.7 MB it returned nothing until it was told to, then all.
    """
    if sys.platform == "linux":
        # not there in other C libraries
        trim: Any = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
