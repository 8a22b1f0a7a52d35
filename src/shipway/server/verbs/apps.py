"""The verbs of bundles of the app that devices run."""

from __future__ import annotations

from shipway.core.desk import AppDesk
from shipway.core.errors import UsageError
from shipway.server.verbs import shapes
from shipway.server.verbs.call import Answer, Call, Verbs


def app_verbs(desk: AppDesk) -> Verbs:
    """The verbs `/v1/bundles` and `/v1/environments/{environment}/app…`. Whatever changes answers what is so then."""

    def promote(call: Call) -> Answer:
        return dict(shapes.plain(desk.promote(call.path("environment"), call.text("version"), call.who, call.why)))

    def split(call: Call) -> Answer:
        share = call.text("share")
        if share is None:
            raise UsageError("share: expected a bundle and its percent, such as 1.0.0-4f53cda18c2b=10%")
        return dict(shapes.plain(desk.split(call.path("environment"), share, call.who, call.why)))

    def pause(call: Call) -> Answer:
        return dict(shapes.plain(desk.pause(call.path("environment"), call.who, call.why, off=call.flag("off"))))

    def roll_back(call: Call) -> Answer:
        return dict(shapes.plain(desk.roll_back(call.path("environment"), call.who, call.why)))

    return {
        ("GET", "/v1/bundles"): lambda _: {"bundles": shapes.plain(desk.list())},
        ("GET", "/v1/environments/{environment}/app"): lambda call: dict(
            shapes.plain(desk.show(call.path("environment")))
        ),
        ("GET", "/v1/environments/{environment}/app/crashes"): lambda call: dict(
            shapes.plain(desk.crashes(call.path("environment")))
        ),
        ("POST", "/v1/environments/{environment}/app/promote"): promote,
        ("POST", "/v1/environments/{environment}/app/split"): split,
        ("POST", "/v1/environments/{environment}/app/pause"): pause,
        ("POST", "/v1/environments/{environment}/app/rollback"): roll_back,
    }
