"""The monitoring port in memory: what a window shows is set from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.core.monitoring.watch import Seen
from shipway.core.ports.learning import Kept, Monitoring
from shipway.core.ports.telling import Tell
from shipway.core.releases.release import Release
from shipway.core.views.learning import MonitorView

QUIET = Seen(1000, 1000, {}, ())


class FakeMonitoring(Monitoring):
    """Answers `seen` for each window; `asked` has the windows and the trusted sources.

    `trusted` are the newest baseline's sources. `evaluation` is what comes of a comparison, or its fault; `compared` what
    was asked.
    """

    def __init__(self, seen: Seen = QUIET) -> None:
        self.seen = seen
        self.trusted: tuple[str, ...] = ()
        self.asked: list[tuple[tuple[float, float], tuple[str, ...]]] = []
        self.evaluation: Mapping[str, Any] | ShipwayError = ShipwayError("no label is known")
        self.compared: list[tuple[str, str, str, tuple[float, float], tuple[str, ...]]] = []
        self._baselines: set[tuple[str, str]] = set()
        self._views: dict[str, MonitorView] = {}

    def baseline(
        self,
        environment: str,
        release: Release,
        table: str | None,
        window: tuple[float, float] | None,
        tell: Tell,
        time: str | None = None,
        counting: Sequence[str] = (),
        false_alarms: float = 0.05,
        sources: Sequence[str] = (),
    ) -> Kept:
        if table is not None and not Path(table).exists():
            raise UsageError(f"there is no {table}")
        tell("looking")
        self._baselines.add((environment, _version(release)))
        self.trusted = tuple(sources)
        return Kept(_version(release), self.seen, "/baseline")

    def look(
        self,
        environment: str,
        release: Release,
        window: tuple[float, float],
        sources: Sequence[str],
        tell: Tell,
        length: str | None = None,
    ) -> Kept:
        if (environment, _version(release)) not in self._baselines:
            raise Refused(f"{_version(release)} has no baseline", fix=f"shipway monitor baseline {environment}")
        tell("looking")
        self.asked.append((window, tuple(sources)))
        return Kept(_version(release), self.seen, "/look")

    def compare(
        self,
        environment: str,
        release: Release,
        champion: str,
        window: tuple[float, float],
        sources: Sequence[str],
        tell: Tell,
    ) -> Mapping[str, Any]:
        self.compared.append((environment, _version(release), champion, window, tuple(sources)))
        if isinstance(self.evaluation, ShipwayError):
            raise self.evaluation
        return self.evaluation

    def newest(self, environment: str) -> MonitorView | None:
        return self._views.get(environment)

    def keep(self, view: MonitorView) -> None:
        self._views[view.environment] = view


def _version(release: Release) -> str:
    assert release.model_version is not None
    return release.model_version
