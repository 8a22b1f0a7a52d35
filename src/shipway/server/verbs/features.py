"""The verbs of feature records: each parses, calls one verb of the desk, and answers its JSON."""

from __future__ import annotations

from shipway.core.desk import FeatureDesk
from shipway.core.errors import UsageError
from shipway.server.verbs import shapes
from shipway.server.verbs.call import Answer, Call, Verbs


def feature_verbs(desk: FeatureDesk) -> Verbs:
    """The verbs below `/v1/environments/{environment}/features`."""

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

    return {
        ("GET", "/v1/environments/{environment}/features"): listed,
        ("POST", "/v1/environments/{environment}/features/{group}"): put,
        ("POST", "/v1/environments/{environment}/features/{group}/get"): get,
        ("POST", "/v1/environments/{environment}/features/{group}/delete"): delete,
    }
