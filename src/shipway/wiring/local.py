"""The one-machine target as the command line needs it. What the daemon is made of lies in `local_platform`."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shipway.core.description import DESCRIPTION
from shipway.core.errors import Refused
from shipway.local.daemon import LocalDaemon
from shipway.local.ownership import require_own
from shipway.local.places import places_of
from shipway.wiring import Wiring

if TYPE_CHECKING:
    from shipway.core.checks import Check, Repair
    from shipway.core.description.app import App
    from shipway.core.desk import ControlPlane, Desk
    from shipway.core.infrastructure import Infrastructure


def wire(root: Path) -> Wiring:
    """The app in `root` on this machine."""
    return LocalWiring(root)


class LocalWiring(Wiring):
    """What the command line needs of it."""

    # What is heavy is imported where it is needed.

    def __init__(self, root: Path) -> None:
        self._places = places_of(root, os.getuid())

    def daemon(self) -> LocalDaemon:
        require_own(self._places)
        return LocalDaemon(self._places, ("--root", str(self._places.root), "--target", "local"))

    def control_plane(self) -> ControlPlane:
        from shipway.wiring.local_platform import build

        return build(self._places)

    def desk(self) -> tuple[Desk, str]:
        raise Refused("on this machine only the daemon has a desk", fix="shipway up --detach")

    def checks(self, daemon: Iterable[Check], own_ports: Callable[[], Collection[int]]) -> Iterator[Check]:
        from shipway.local.doctor import examine

        return examine(self._places, self.described, daemon, own_ports)

    def repairs(self) -> Sequence[Repair]:
        from shipway.local.repair import plan

        return plan(self._places, self.daemon())

    def program_variables(self, folder: Path, lock: str, tell: Callable[[str], None]) -> Mapping[str, str]:
        from shipway.local.builds.python_environment import PythonEnvironments

        environments = PythonEnvironments(self._places.state / "environments")
        made = environments.ensure((folder / lock).read_bytes(), f"{folder.name}/{lock}", tell)
        return environments.variables(made.path, str(folder))

    def infrastructure(self, tell: Callable[[str], None], *, colour: bool = False) -> Infrastructure:  # noqa: ARG002
        raise Refused(
            "on this machine nothing has to be made: the app runs on what is here",
            fix="shipway --target aws infra --help",
        )

    def described(self) -> App:
        """shipway.yaml, as `validate` checks it. Raises UsageError."""
        from shipway.description import committed_app
        from shipway.description.reader import load

        path = self._places.root / DESCRIPTION
        app = load(path)
        committed_app.check(path, app)
        return app
