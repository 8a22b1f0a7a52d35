"""The verbs of splits and shadows: each parses, calls one verb of the desk, and answers its JSON."""

from __future__ import annotations

from shipway.core.desk import ExperimentDesk
from shipway.core.errors import UsageError
from shipway.server.verbs import shapes
from shipway.server.verbs.call import Answer, Call, Verbs


def experiment_verbs(desk: ExperimentDesk) -> Verbs:
    """The verbs `/v1/environments/{environment}/split` and `…/shadow`. Whatever changes answers what is so then."""

    def split(call: Call) -> Answer:
        environment = call.path("environment")
        if call.flag("off"):
            return shapes.experiment(desk.end_split(environment, call.who, call.why))
        return shapes.experiment(desk.split(environment, call.texts("shares"), call.who, call.why))

    def shadow(call: Call) -> Answer:
        environment = call.path("environment")
        if call.flag("off"):
            return shapes.experiment(desk.end_shadow(environment, call.who, call.why))
        version = call.text("version")
        if version is None:
            raise UsageError("version: expected the version that is to listen in, such as v1.3")
        percent = call.amount("percent", 100.0)
        return shapes.experiment(desk.shadow(environment, version, percent, call.who, call.why))

    def show(call: Call) -> Answer:
        return shapes.experiment(desk.show(call.path("environment")))

    return {
        ("GET", "/v1/environments/{environment}/split"): show,
        ("POST", "/v1/environments/{environment}/split"): split,
        ("GET", "/v1/environments/{environment}/shadow"): show,
        ("POST", "/v1/environments/{environment}/shadow"): shadow,
    }
