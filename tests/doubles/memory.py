"""A target that lives in the process of the command line: its wiring has a desk, and no daemon."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from shipway.core.checks import Check, Repair
from shipway.core.desk import ControlPlane, Desk
from shipway.core.errors import Refused
from shipway.core.infrastructure import Infrastructure
from shipway.wiring import Wiring
from tests.doubles.platform import WHO
from tests.pipeline.house import House

HOUSES: dict[Path, House] = {}
"""An app's folder → what serves it."""


class InMemory(Wiring):
    def __init__(self, root: Path) -> None:
        self._root = root

    def daemon(self) -> None:
        return None

    def control_plane(self) -> ControlPlane:
        raise Refused("there is none")

    def desk(self) -> tuple[Desk, str]:
        return HOUSES[self._root].control, WHO

    def checks(self, daemon: Iterable[Check], own_ports: Callable[[], Collection[int]]) -> Iterator[Check]:
        yield Check("memory", "good", "enough")
        yield from daemon

    def repairs(self) -> Sequence[Repair]:
        return ()

    def program_variables(self, folder: Path, lock: str, tell: Callable[[str], None]) -> Mapping[str, str]:
        return {}

    def infrastructure(self, tell: Callable[[str], None], *, colour: bool = False) -> Infrastructure:
        raise Refused("nothing is made in memory")


def wire(root: Path) -> Any:
    return InMemory(root)
