"""The control plane of an app on this machine, seen from outside: by who starts it, talks to it and ends it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class DaemonProcess(Protocol):
    """A daemon that was started here."""

    def wait(self, timeout: float) -> object:
        """Wait for its end. Raises subprocess.TimeoutExpired."""

    def terminate(self) -> None:
        """Ask it to end."""


class Daemon(Protocol):
    """One app's daemon, whether or not it runs. Its paths are those of this machine's own process."""

    @property
    def socket(self) -> str:
        """Where it listens."""

    @property
    def state(self) -> str:
        """The folder of everything that lasts."""

    def process(self) -> int | None:
        """Its process id while it lives, longer than it listens; None when there is none, 0 when it has not said."""

    def start(self) -> DaemonProcess:
        """Start it and wait until it answers. Raises the error that it told when it can't start."""

    def wait_until_gone(self) -> None:
        """Wait until it has ended. Raises ShipwayError when that takes too long."""

    def is_left_serving(self) -> bool:
        """Whether the app still serves, as it does after its daemon has ended."""

    def forget(self) -> None:
        """Remove what it keeps outside of the app's folder."""

    # -- by itself, from within ----------------------------------------------------------------------------------

    def alone(self) -> AbstractContextManager[None]:
        """Be the one daemon of the app meanwhile. Raises ShipwayError where another one is."""

    def listen(self) -> int:
        """The descriptor of a fresh socket that listens. What a dead daemon left there is replaced."""
