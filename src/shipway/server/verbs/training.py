"""The verbs of trainings."""

from __future__ import annotations

from shipway.core.desk import TrainingDesk
from shipway.core.views.learning import TrainingView
from shipway.server.verbs import shapes
from shipway.server.verbs.call import Answer, Call, Verbs


def training_verbs(desk: TrainingDesk) -> Verbs:
    """The verbs below `/v1/trainings`."""

    def shown(view: TrainingView) -> Answer:
        return {"run": shapes.run(view.run), "training": shapes.plain(view.training)}

    def start(call: Call) -> Answer:
        begin, end, commit = call.text("begin"), call.text("end"), call.text("commit")
        trials, jobs = call.whole("trials"), call.whole("jobs")
        return shapes.run(desk.start(begin, end, commit, call.who, call.why, trials, jobs))

    return {
        ("GET", "/v1/trainings"): lambda call: {"trainings": [shown(one) for one in desk.list(call.limit(20, 1000))]},
        ("POST", "/v1/trainings"): start,
        ("GET", "/v1/trainings/{id}"): lambda call: shown(desk.show(call.path("id"))),
        ("POST", "/v1/trainings/{id}/resume"): lambda call: shapes.run(desk.resume(call.path("id"), call.who)),
    }
