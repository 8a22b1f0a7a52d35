"""What lies on disk, and what of it may go."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from shipway.core.events import AuditEntry
from shipway.local.state.storage import Item, total
from shipway.server.call import Call, Verbs
from shipway.server.views import plain
from shipway.wiring import Platform


def disk_verbs(platform: Platform) -> Verbs:
    """Look at what may be pruned; prune it."""
    pruning = platform.pruning

    def prune(call: Call) -> dict[str, Any]:
        gone = pruning.carry_out(pruning.plan())
        detail = {"bytes": dict(total(gone)), "count": len(gone)}
        platform.store.add_audit(AuditEntry(time.time(), call.who, "prune", None, "", detail))
        return _shown(gone) | {"usage": plain(pruning.usage)}

    return {
        ("GET", "/v1/prune"): lambda _: _shown(pruning.plan()) | {"usage": plain(pruning.usage)},
        ("POST", "/v1/prune"): prune,
    }


def _shown(items: Sequence[Item]) -> dict[str, Any]:
    kinds: dict[str, dict[str, int]] = {}
    for item in items:
        found = kinds.setdefault(item.kind, {"count": 0, "bytes": 0})
        found["count"] += 1
        found["bytes"] += item.bytes
    names = [{"kind": item.kind, "path": str(item.path), "bytes": item.bytes, "age": item.age} for item in items]
    return {"kinds": kinds, "bytes": sum(item.bytes for item in items), "items": names[:1000]}
