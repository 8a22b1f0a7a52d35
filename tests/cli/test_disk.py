"""`shipway prune`, and what `status` says of the disk."""

from __future__ import annotations

import pytest

from shipway.cli.render.disk import disk_line, prunable_lines, size


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (240_000_000, "240 MB"), (1.44e9, "1.4 GB")]
)
def test_sizes_are_short(count: float, text: str) -> None:
    """In the units that disks are sold in."""
    assert text == size(count)


def test_status_names_the_largest_parts() -> None:
    """Three of them; what is below a megabyte is left out."""
    usage = {
        "bytes": {"artifacts": 240e6, "environments": 1.1e9, "logs": 2e6, "builds": 5, "other": 3e6, "all": 1.345e9}
    }
    assert ".shipway holds 1.3 GB: environments 1.1 GB, artifacts 240 MB, other 3.0 MB" == disk_line(usage)


def test_what_may_go_is_told_by_kind() -> None:
    """How many, and how much."""
    plan = {"kinds": {"artifact": {"count": 3, "bytes": 2_000_000}, "log": {"count": 1200, "bytes": 10}}}
    assert ["  3 artifacts, 2.0 MB", "  1,200 logs, 10 B"] == prunable_lines(plan)
