"""Where a version comes from and who decided on it, as its metadata says."""

from __future__ import annotations

from datetime import datetime

import pytest

from shipway.core.models.origin import DecidedOn, Origin, decided_by, origin_of

APPROVED = {"status": "approved", "by": "mei", "at": "2026-11-22T07:00:00Z", "why": "better"}
REJECTED = {"status": "rejected", "by": "ann", "at": "2026-11-23T07:00:00Z", "why": "biased"}


def test_lineage_is_read_where_it_is_there() -> None:
    """What a training recorded; a version of another program has an author at most, and odd values are nothing."""
    lineage = {
        "run": "7", "commit": "abc", "parent": None, "data": {"from": "2013-01-01", "until": "2013-10-01"},
        "gate": {"verdict": "promote"},
    }  # fmt: skip
    metadata = {"author": "ann", "trained_at": "2013", "lineage": lineage}
    assert Origin("ann", "2013", "7", "abc", "2013-01-01", "2013-10-01", "", "promote") == origin_of(metadata)
    assert Origin("bob") == origin_of({"author": "bob", "lineage": ["odd"]})


@pytest.mark.parametrize(
    ("day", "status"), [("2026-11-21", None), ("2026-11-22T08:00:00", "approved"), ("2026-11-24", "rejected")]
)
def test_a_decision_counts_from_its_moment_on(day: str, status: str | None) -> None:
    """At any moment the newest one until then; with none of these the version was pending."""
    metadata = {"approval": REJECTED, "approval_history": [APPROVED, REJECTED]}
    found = decided_by(metadata, datetime.fromisoformat(f"{day}+00:00").timestamp())
    assert status == (found.status if found is not None else None)


def test_a_version_without_a_history_has_its_approval() -> None:
    assert DecidedOn("approved", "mei", "2026-11-22T07:00:00Z", "better") == decided_by({"approval": APPROVED}, 2e9)
    assert decided_by({"approval": {"status": "pending", "by": None}}, 2e9) is None
    assert decided_by({}, 2e9) is None
