"""`python -m tests.chaos`: the whole campaign with its table, or a part of it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict

from tests.chaos.campaign import Row, cells, chosen, play

HEAD = ("fault", "rollout", "sent", "GET fresh", "GET kept", "POST", "failing s", "slowest ms", "whole s", "run")


def main() -> int:
    """0 when every promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="decides the order, and which are the first")
    parser.add_argument("--count", type=int, help=f"how many of the {len(cells())} cells (default: all)")
    parser.add_argument("--only", default="", help="cells whose name holds this text")
    parser.add_argument("--json", action="store_true", help="one JSON object at the end")
    given = parser.parse_args()
    wanted = [cell for cell in chosen(given.seed, None) if given.only in str(cell)][: given.count]
    began, rows = time.monotonic(), []
    for row in play(wanted):
        rows.append(row)
        print(f"{len(rows)}/{len(wanted)} " + "  ".join(_cells(row)), file=sys.stderr, flush=True)
        for line in row.broken:
            print(f"    ✘ {line}", file=sys.stderr, flush=True)
    broken = [row for row in rows if row.broken]
    if given.json:
        told = [asdict(row) | {"cell": str(row.cell)} for row in rows]
        print(json.dumps({"ok": not broken, "rows": told, "seconds": time.monotonic() - began}, default=str))
    else:
        print("\n".join(_table(sorted(rows, key=lambda row: str(row.cell)))))
        print(f"{len(rows)} cells, {sum(row.sent for row in rows):,} requests, {len(broken)} broken promises, "
              f"{(time.monotonic() - began) / 60:.0f} minutes")  # fmt: skip
    return 1 if broken else 0


def _cells(row: Row) -> tuple[str, ...]:
    rollout = str(row.cell).partition("; ")[2]
    failing = "" if row.failing_seconds is None else f"{row.failing_seconds:.2f}"
    return (
        row.cell.fault.name, rollout, f"{row.sent:,}", str(row.fresh), str(row.kept), str(row.posts), failing,
        f"{row.slowest_ms:.0f}", f"{row.whole_seconds:.1f}", row.ended + (" ✘" if row.broken else ""),
    )  # fmt: skip


def _table(rows: Iterable[Row]) -> list[str]:
    lines = [HEAD, *map(_cells, rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(HEAD))]
    return [
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]


if __name__ == "__main__":
    sys.exit(main())
