"""Waits for running tasks: until they answer with the recorded model versions, or report what they serve."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from shipway.core.errors import ShipwayError
from shipway.core.observations.observation import Side, TaskReport
from shipway.core.ports.target import Target
from shipway.core.releases.release import Release


@dataclass(frozen=True, slots=True)
class Following:
    """Waits at the target's pace. `rest` waits so many seconds, `steady` is a monotonic clock."""

    target: Target
    rest: Callable[[float], object]
    steady: Callable[[], float] = time.monotonic

    def until_follows(self, environment: str, side: Side | None, what: str, *, state: str = "") -> None:
        """Wait until every task, of one side or of both, answers with the recorded versions.

        Raises ShipwayError, which begins with `what`, after the pace's `follow` seconds; sooner where a task refuses
        for `refusal` seconds.
        """
        pace = self.target.pace
        began = accepted = self.steady()
        while lagging := self.target.lagging(environment, side):
            now = self.steady()
            if not any(task.refuses for task in lagging):
                accepted = now
            if now - began > pace.follow or now - accepted > pace.refusal:
                raise ShipwayError(
                    f"{what}: " + "; ".join(f"{task.task} {task.says}" for task in lagging),
                    fix=f"shipway logs --env {environment} --errors",
                    state=state,
                )
            self.rest(pace.follow_look)

    def until_read_back(self, environment: str, side: Side, release: Release, tasks: int) -> int:
        """Wait until at least `tasks` tasks of each service report that they serve the release; returns how many did.

        Raises ShipwayError after the pace's `read_back` seconds.
        """
        pace = self.target.pace
        deadline = self.steady() + pace.read_back
        while True:
            reports = self.target.read_back(environment, side)
            wrong = [
                f"{report.task} ({report.service}) serves {report.artifact[:6]}, model {report.model_version or 'none'}"
                for report in reports
                if not _serves(report, release)
            ]
            if not wrong and len(reports) >= tasks * len(release.app.services):
                return len(reports)
            if self.steady() > deadline:
                raise ShipwayError(
                    f"{environment} does not serve {release.id}: " + ("; ".join(wrong) or f"{len(reports)} tasks"),
                    fix=f"shipway logs --env {environment}",
                )
            self.rest(pace.look)


def _serves(report: TaskReport, release: Release) -> bool:
    return (
        report.ready
        and report.artifact == release.artifacts[report.service].digest
        and release.model_of(report.service) in (None, report.model_version)
    )
