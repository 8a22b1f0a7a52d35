"""The verbs of feature records: each parses, calls one verb of the desk, and answers its JSON."""

from __future__ import annotations

from pathlib import PurePath

from shipway.core.desk import FeatureDesk
from shipway.core.errors import UsageError
from shipway.core.features.join import ROW, FeatureJoin, written_by
from shipway.server.verbs import shapes
from shipway.server.verbs.call import Answer, Call, Verbs


def feature_verbs(desk: FeatureDesk) -> Verbs:
    """The verbs below `/v1/environments/{environment}/features` and `…/feature-history`."""

    def listed(call: Call) -> Answer:
        environment = call.path("environment")
        return {"environment": environment, "groups": shapes.plain(desk.groups(environment))}

    def put(call: Call) -> Answer:
        records = call.body.get("records")
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise UsageError("records: expected a list of objects")
        return dict(shapes.plain(desk.put(call.path("environment"), call.path("group"), records, call.who)))

    def get(call: Call) -> Answer:
        found = desk.get(call.path("environment"), call.path("group"), call.texts("ids"), call.texts("names"))
        return {"records": shapes.plain(found)}

    def delete(call: Call) -> Answer:
        id, at = call.text("id"), call.text("at")
        if id is None or at is None:
            raise UsageError("id, at: expected the record's id and the moment of which it is deleted")
        desk.delete(call.path("environment"), call.path("group"), id, at, call.who, hard=call.flag("hard"))
        return {"deleted": id}

    def compact(call: Call) -> Answer:
        told: list[str] = []
        return {**shapes.plain(desk.compact(call.path("environment"), told.append)), "told": told}

    def join(call: Call) -> Answer:
        told: list[str] = []
        return {**shapes.plain(desk.join(call.path("environment"), _asked(call), told.append)), "told": told}

    return {
        ("GET", "/v1/environments/{environment}/features"): listed,
        ("POST", "/v1/environments/{environment}/feature-history/compact"): compact,
        ("POST", "/v1/environments/{environment}/feature-history/join"): join,
        ("POST", "/v1/environments/{environment}/features/{group}"): put,
        ("POST", "/v1/environments/{environment}/features/{group}/get"): get,
        ("POST", "/v1/environments/{environment}/features/{group}/delete"): delete,
    }


def _asked(call: Call) -> FeatureJoin:
    rows, output, keys, time = call.text("rows"), call.text("output"), call.body.get("keys"), call.text("time")
    if rows is None or output is None or not all(PurePath(path).is_absolute() for path in (rows, output)):
        raise UsageError("rows, output: expected the absolute paths of files")
    if not isinstance(keys, dict) or not all(isinstance(column, str) for column in keys.values()) or time is None:
        raise UsageError("keys, time: expected the rows' column of ids for each group, and that of their times")
    return FeatureJoin(rows, output, keys, time, written_by(call.text("written") or ROW))
