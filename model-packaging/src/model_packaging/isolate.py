"""Before foreign data is read: no network where the kernel allows that, bounded memory, processor time and files."""

from __future__ import annotations

import ctypes
import resource
import sys

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_GIB = 1 << 30


def isolate(memory_bytes: int, processor_seconds: int) -> None:
    """Bound this process for good. Call it before a library starts threads, which a new namespace does not allow."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        # root needs no new user; whoever may do neither keeps the network
        if libc.unshare(_NEW_NETWORK) != 0:
            libc.unshare(_NEW_USER | _NEW_NETWORK)
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (processor_seconds, processor_seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 * _GIB, 4 * _GIB))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
