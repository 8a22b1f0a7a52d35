"""What a figure was measured on."""

from __future__ import annotations

import platform
from pathlib import Path

import psutil


def machine() -> str:
    """Processor, cores, memory, system and Python, in one line."""
    memory = psutil.virtual_memory().total / 2**30
    cores = psutil.cpu_count() or 0
    return f"{_processor()}, {cores} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
