"""How a decision on a version changes its metadata: the approval, and the history of all decisions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from shipway.core.errors import Refused
from shipway.core.models.approval import Decision, check_decision

MOST = 1000


def decided(document: dict[str, Any], decision: Decision, by: str, why: str, at: float) -> dict[str, Any]:
    """The metadata after a decision at a time (Unix); unchanged where that was decided already.

    Raises UsageError without a person or a reason, Refused where the version's state does not allow the decision.
    """
    version, now = str(document["version"]), document["approval"]
    if now["status"] == decision:
        return document
    check_decision(version, now["status"], decision, by, why)
    history = document.get("approval_history") or ([now] if now["status"] != "pending" else [])
    if len(history) >= MOST:
        raise Refused(f"model {version} was decided on {MOST:,} times", fix="publish it again as a new version")
    written = {
        "status": decision,
        "by": by,
        "at": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "why": why,
    }
    return {**document, "approval": written, "approval_history": [*history, written]}
