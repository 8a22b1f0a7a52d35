"""The verbs of watching a model's traffic."""

from __future__ import annotations

from pathlib import PurePath

from shipway.core.desk import MonitorDesk
from shipway.core.errors import UsageError
from shipway.core.monitoring.watch import LENGTHS
from shipway.core.views.learning import MonitorView
from shipway.server.verbs import shapes
from shipway.server.verbs.call import Answer, Call, Verbs


def monitor_verbs(desk: MonitorDesk) -> Verbs:
    """The verbs `/v1/environments/{environment}/monitor…`."""

    def shown(view: MonitorView, told: list[str]) -> Answer:
        answer: Answer = shapes.plain(view)
        return {**answer, "told": told}

    def baseline(call: Call) -> Answer:
        told: list[str] = []
        table = call.text("table")
        if table is not None and not PurePath(table).is_absolute():
            raise UsageError("table: expected the absolute path of a CSV or Parquet file, or of a folder of them")
        since, until = _moment(call, "since"), _moment(call, "until")
        if table is not None and (since is not None or until is not None):
            raise UsageError("since and until are of traffic: they go without table")
        time = call.text("time")
        if time is not None and table is None:
            raise UsageError("time names a column of a table: it goes with table")
        return shown(desk.baseline(call.path("environment"), table, since, until, call.who, told.append, time), told)

    def look(call: Call) -> Answer:
        told: list[str] = []
        window = _moment(call, "since"), _moment(call, "until")
        length = call.text("length")
        if length not in (None, *LENGTHS):
            raise UsageError(f"length: expected one of {', '.join(LENGTHS)}, found {length!r}")
        return shown(desk.look(call.path("environment"), *window, call.who, told.append, length), told)

    return {
        ("GET", "/v1/environments/{environment}/monitor"): lambda call: shown(desk.show(call.path("environment")), []),
        ("POST", "/v1/environments/{environment}/monitor"): look,
        ("POST", "/v1/environments/{environment}/monitor/baseline"): baseline,
    }


def _moment(call: Call, name: str) -> float | None:
    if call.body.get(name) is None:
        return None
    found = call.amount(name, 0.0)
    if not 0 <= found <= 1e11:
        raise UsageError(f"{name}: expected a Unix time, found {found}")
    return found
