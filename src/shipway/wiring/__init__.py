"""One module a target, and the one function that chooses: nothing else knows a target's name."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from shipway.core.errors import UsageError

if TYPE_CHECKING:
    from shipway.core.checks import Check, Repair
    from shipway.core.daemon.outside import Daemon
    from shipway.core.desk import ControlPlane, Desk
    from shipway.core.infrastructure import Infrastructure

DEFAULT = "local"
TARGETS = {"local": "shipway.wiring.local", "aws": "shipway.wiring.aws"}
"""A target's name → its module, whose `wire(root)` answers its `Wiring`. The module is light; what it joins is not."""


class Wiring(Protocol):
    """What a target's module offers for the app in a folder."""

    def daemon(self) -> Daemon | None:
        """Its control plane on this machine; None for a target that needs none. Raises Refused for somebody else's."""

    def control_plane(self) -> ControlPlane:
        """Everything joined, for the daemon's own process. Raises ShipwayError when a part is missing."""

    def desk(self) -> tuple[Desk, str]:
        """The desk in this process, and who asks it. Raises Refused where only the daemon has one."""

    def checks(self, daemon: Iterable[Check], own_ports: Callable[[], Collection[int]]) -> Iterator[Check]:
        """What `doctor` looks at; each check is made when it is asked for, and `daemon`'s at their place among them.

        `own_ports` are those that the app itself listens on, known once `daemon` has been asked.
        """

    def repairs(self) -> Sequence[Repair]:
        """What is broken in the control plane's state, and how it is repaired, in order. Looks only."""

    def program_variables(self, folder: Path, lock: str, tell: Callable[[str], None]) -> Mapping[str, str]:
        """The variables under which a program in `folder` runs, in the environment of its lock file, which is made.

        Raises UsageError for a lock without hashes, ShipwayError when packages can't be fetched, Refused where no
        program of the app's runs on this machine.
        """

    def infrastructure(self, tell: Callable[[str], None], *, colour: bool = False) -> Infrastructure:
        """What the app runs on, as code; `tell` gets each line that is said meanwhile. Raises Refused where none is made."""


def target(root: Path, name: str | None = None) -> Wiring:
    """The target of the app in `root`: the one named, or SHIPWAY_TARGET's, or else this machine.

    Raises UsageError for an unknown name.
    """
    name = name or os.environ.get("SHIPWAY_TARGET") or DEFAULT
    if name not in TARGETS:
        raise UsageError(
            f"no target {name!r}; there is: {', '.join(TARGETS)}", fix="name one of them by --target or SHIPWAY_TARGET"
        )
    wiring: Wiring = import_module(TARGETS[name]).wire(root)
    return wiring
