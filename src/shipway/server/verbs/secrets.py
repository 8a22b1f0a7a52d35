"""The verbs of secrets: each parses, calls one verb of the desk, and answers its JSON. No answer holds a value."""

from __future__ import annotations

from shipway.core.desk import SecretDesk
from shipway.core.errors import UsageError
from shipway.server.verbs import shapes
from shipway.server.verbs.call import Answer, Call, Verbs


def secret_verbs(desk: SecretDesk) -> Verbs:
    """The verbs below `/v1/environments/{environment}/secrets`."""

    def listed(call: Call) -> Answer:
        environment = call.path("environment")
        return {"environment": environment, "secrets": shapes.plain(desk.list(environment))}

    def set(call: Call) -> Answer:
        value = call.body.get("value")
        if not isinstance(value, str):
            # Said without what was found there: it may be the secret.
            raise UsageError("value: expected text")
        return dict(shapes.plain(desk.set(call.path("environment"), call.path("name"), value, call.who, call.why)))

    def unset(call: Call) -> Answer:
        return dict(shapes.plain(desk.unset(call.path("environment"), call.path("name"), call.who, call.why)))

    return {
        ("GET", "/v1/environments/{environment}/secrets"): listed,
        ("POST", "/v1/environments/{environment}/secrets/{name}"): set,
        ("POST", "/v1/environments/{environment}/secrets/{name}/unset"): unset,
    }
