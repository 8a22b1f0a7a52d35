"""What a daemon adds to its desk's verbs: itself in the status, its log, its disk, and what it goes by."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from shipway.core.daemon.disk import Item
from shipway.core.desk import ControlPlane
from shipway.server.verbs import shapes
from shipway.server.verbs.call import Answer, Call, Verbs
from shipway.server.verbs.table import asked_lines, desk_verbs


def control_verbs(control: ControlPlane) -> Verbs:
    """Every verb of a daemon but its end, which the transport knows when to come to."""
    verbs = desk_verbs(control.desk)
    of_desk = verbs["GET", "/v1/status"]

    def status(call: Call) -> Answer:
        life = control.life()
        return {
            **of_desk(call),
            "pid": os.getpid(),
            "uptime": time.time() - life.started,
            "root": life.root,
            "authority": {"committed": life.committed, "held_back": dict(life.held_back)},
            "loops": [
                {"name": loop.name, "purpose": loop.purpose, "quiet": round(loop.quiet, 1), "fault": loop.fault}
                for loop in life.loops
            ],
            "disk": shapes.plain(life.disk),
        }

    def reload(call: Call) -> Answer:
        changed, trusted = control.reload(call.who, call.flag("uncommitted"))
        return {"changed": changed, "authority": dict(trusted)}

    def disk(items: Sequence[Item]) -> Answer:
        kinds: dict[str, dict[str, int]] = {}
        for item in items:
            found = kinds.setdefault(item.kind, {"count": 0, "bytes": 0})
            found["count"] += 1
            found["bytes"] += item.bytes
        size, shown = sum(item.bytes for item in items), shapes.plain(items[:1000])
        return {"kinds": kinds, "bytes": size, "items": shown, "usage": shapes.plain(control.life().disk)}

    return {
        **verbs,
        ("GET", "/v1/status"): status,
        ("GET", "/v1/logs/daemon"): lambda call: {"lines": list(control.log(asked_lines(call)))},
        ("GET", "/v1/prune"): lambda _: disk(control.prunable()),
        ("POST", "/v1/prune"): lambda call: disk(control.prune(call.who)),
        ("POST", "/v1/reload"): reload,
    }
