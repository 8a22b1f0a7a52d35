"""What a replay has played, and when: the map from its calendar to the clock. Nothing else knows of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from shipway.core.errors import ShipwayError
from shipway.core.training.windows import month_after

Stage = Literal["sending", "sent", "looked", "trained", "over"]
_STAGES: tuple[Stage, ...] = ("sending", "sent", "looked", "trained", "over")


@dataclass(slots=True)
class Month:
    """A month of the calendar. `began` and `ended` are Unix time: what the app was asked in between is this month's.

    `auc`, `brier`, `predicted` and `positive` are of what was answered and told of (`replay.figures`). `serving` is the
    version that served at its end, `verdict` the monitor's of it, `decision` the gate's. `version` is the one that was
    registered, `promotion` the run that brings it to the environment, `promoted` whether it came to serve.
    """

    month: str
    began: float
    ended: float | None = None
    stage: Stage = "sending"
    requests: int = 0
    failed: int = 0
    outcomes: int = 0
    records: int = 0
    labels: int = 0
    auc: float | None = None
    brier: float | None = None
    predicted: float | None = None
    positive: float | None = None
    serving: str | None = None
    verdict: str | None = None
    reason: str = ""
    causes: tuple[str, ...] = ()
    noted: tuple[str, ...] = ()
    training: str | None = None
    decision: str | None = None
    decided: str = ""
    version: str | None = None
    promotion: str | None = None
    promoted: bool | None = None

    def has(self, stage: Stage) -> bool:
        """Whether it has come as far."""
        return _STAGES.index(self.stage) >= _STAGES.index(stage)


@dataclass(slots=True)
class Calendar:
    """A replay of the months `begin` to `end` with a share of the requests. `months` are those that have begun.

    `uploaded` are the months whose data it brought into the bucket.
    """

    environment: str
    begin: str
    end: str
    sample: float
    months: list[Month] = field(default_factory=list)
    uploaded: list[str] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether every month is."""
        return bool(self.months) and self.months[-1].month == self.end and self.months[-1].stage == "over"

    @property
    def goes_on_at(self) -> str:
        """The month that is to be sent next."""
        if not self.months:
            return self.begin
        last = self.months[-1]
        return month_after(last.month) if last.has("sent") else last.month

    def same(self, other: Calendar) -> bool:
        """Whether both are of the same span and share."""
        return (self.environment, self.begin, self.end, self.sample) == (
            other.environment, other.begin, other.end, other.sample,
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """For `--json`, with the sums over the months."""
        sums = {name: sum(getattr(month, name) for month in self.months) for name in _SUMMED}
        return {**asdict(self), **sums}


_SUMMED = ("requests", "failed", "outcomes", "records")
_calendars: TypeAdapter[Calendar] = TypeAdapter(Calendar)


def load(path: Path) -> Calendar | None:
    """What was kept there, None if nothing was. Raises ShipwayError for a damaged file."""
    try:
        return _calendars.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ShipwayError(f"{path} is damaged: {error}", fix=f"rm {path}, and begin the replay again") from error


def save(path: Path, calendar: Calendar) -> None:
    """Keep it; whoever reads finds the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(_calendars.dump_json(calendar, indent=1))
    new.replace(path)
