"""The folder of a step, and the end of all that was started for it: its session, its container, what left both."""

from __future__ import annotations

import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from shipway.local.tasks.process_table import end_marked, send, session_members
from shipway.local.training.containers import Engine, container_name

MARK = "SHIPWAY_STEP"
"""The environment variable by which everything that a step started is found again; its value is the step's digest."""


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of one order."""

    folder: Path

    @property
    def base(self) -> Path:
        return self.folder / "ml"

    @property
    def lock(self) -> Path:
        """Beside the folder: whoever removes that holds it."""
        return self.folder.with_name(f".{self.folder.name}.lock")

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def exit(self) -> Path:
        return self.folder / "exit"

    @property
    def leader(self) -> Path:
        return self.folder / "leader"

    @property
    def engine(self) -> Path:
        return self.folder / "engine"

    @property
    def done(self) -> Path:
        return self.folder / "done.json"


def end_session(place: Place) -> None:
    """End what is left of the step's session: quickly found."""
    with suppress(OSError, ValueError):
        pid, started = place.leader.read_text().split()
        for left in session_members(int(pid), float(started)):
            send(left, signal.SIGKILL)


def end_container(place: Place) -> None:
    """End the step's container, if it was started in one: it is no child of the session. Raises ShipwayError."""
    with suppress(FileNotFoundError):
        Engine(place.engine.read_text()).end(container_name(place.folder))
        place.engine.unlink()


def end(place: Place) -> None:
    """End everything that the step started, what left its session as well."""
    end_session(place)
    end_container(place)
    end_marked(MARK, place.folder.name)
