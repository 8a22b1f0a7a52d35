"""The verbs of reports: each answers a page, as data and as HTML; or a training as experiment trackers keep it."""

from __future__ import annotations

from collections.abc import Callable

from shipway.core.desk import ReportDesk, Tell
from shipway.core.views.learning import Report
from shipway.server.verbs import shapes
from shipway.server.verbs.call import Answer, Call, Verb, Verbs


def report_verbs(desk: ReportDesk) -> Verbs:
    """The verbs `/v1/trainings/{id}/report | bias | tracked`, of two trainings, and `/v1/models/{version}/card`."""

    def answered(ask: Callable[[Call, Tell], Report]) -> Verb:
        def answer(call: Call) -> Answer:
            told: list[str] = []
            report = ask(call, told.append)
            return {"page": dict(report.page), "html": report.html, "told": told}

        return answer

    def tracked(call: Call) -> Answer:
        told: list[str] = []
        return {"run": shapes.plain(desk.tracked(call.path("id"), told.append)), "told": told}

    return {
        ("GET", "/v1/trainings/{id}/report"): answered(lambda call, tell: desk.training(call.path("id"), tell)),
        ("GET", "/v1/trainings/{id}/bias"): answered(lambda call, tell: desk.bias(call.path("id"), tell)),
        ("GET", "/v1/trainings/{id}/tracked"): tracked,
        ("GET", "/v1/trainings/{a}/compare/{b}"): answered(
            lambda call, tell: desk.pair(call.path("a"), call.path("b"), tell)
        ),
        ("GET", "/v1/models/{version}/card"): answered(lambda call, tell: desk.card(call.path("version"), tell)),
    }
