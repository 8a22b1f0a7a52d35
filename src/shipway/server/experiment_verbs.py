"""The API's verbs of splits and shadows: each parses, calls one verb, and answers its JSON."""

from __future__ import annotations

from shipway.core.errors import UsageError
from shipway.server import views
from shipway.server.call import Answer, Call, Verbs
from shipway.wiring import Platform


def variant_verbs(platform: Platform) -> Verbs:
    """The verbs `/v1/environments/{environment}/split` and `…/shadow`. Whatever changes answers what is so then."""
    experiments = platform.experiments

    def split(call: Call) -> Answer:
        environment, why = call.path("environment"), call.text("why") or ""
        if call.flag("off"):
            return views.experiment(experiments.end_split(environment, call.who, why))
        return views.experiment(experiments.split(environment, call.texts("shares"), call.who, why))

    def shadow(call: Call) -> Answer:
        environment, why = call.path("environment"), call.text("why") or ""
        if call.flag("off"):
            return views.experiment(experiments.end_shadow(environment, call.who, why))
        version = call.text("version")
        if version is None:
            raise UsageError("version: expected the version that is to listen in, such as v1.3")
        return views.experiment(experiments.shadow(environment, version, call.amount("percent", 100.0), call.who, why))

    def show(call: Call) -> Answer:
        return views.experiment(experiments.show(call.path("environment")))

    return {
        ("GET", "/v1/environments/{environment}/split"): show,
        ("POST", "/v1/environments/{environment}/split"): split,
        ("GET", "/v1/environments/{environment}/shadow"): show,
        ("POST", "/v1/environments/{environment}/shadow"): shadow,
    }
