"""How much lies on disk, for what."""

from __future__ import annotations

from typing import Any

from shipway.cli.render.text import plain

_UNITS = ("B", "kB", "MB", "GB", "TB")
_WORDS = {
    "artifact": "artifacts", "environment": "environments", "bundle": "bundles", "training": "training steps", "log": "logs",
    "capture": "captured requests",
}  # fmt: skip


def size(count: float) -> str:
    """`1.4 GB`."""
    unit = 0
    while count >= 1000 and unit < len(_UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:.0f} {_UNITS[unit]}" if unit == 0 or count >= 100 else f"{count:.1f} {_UNITS[unit]}"


def disk_line(usage: dict[str, Any]) -> str:
    """`.shipway holds 1.4 GB: environments 1.1 GB, artifacts 240 MB`."""
    parts = {name: count for name, count in usage["bytes"].items() if name != "all" and count >= 1_000_000}
    largest = sorted(parts, key=lambda name: -parts[name])[:3]
    named = ", ".join(f"{plain(name)} {size(parts[name])}" for name in largest)
    return f".shipway holds {size(usage['bytes']['all'])}" + (f": {named}" if named else "")


def prunable_lines(plan: dict[str, Any]) -> list[str]:
    """What may go, a line for each kind."""
    return [
        f"  {found['count']:,} {_WORDS.get(kind, plain(kind))}, {size(found['bytes'])}"
        for kind, found in plan["kinds"].items()
    ]
