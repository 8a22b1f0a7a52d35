"""Where things lie. Computed, never created here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of one app on one machine.

    Sockets lie in a short runtime folder of their own, because a Unix socket's path may have 107 characters at most.
    """

    root: Path
    runtime: Path

    @property
    def state(self) -> Path:
        """Everything that lasts: `.shipway`."""
        return self.root / ".shipway"

    @property
    def socket(self) -> Path:
        """Where the daemon listens."""
        return self.runtime / "daemon.sock"

    @property
    def daemon_lock(self) -> Path:
        """Held by the daemon while it lives; its text is the daemon's process id."""
        return self.state / "daemon.lock"

    @property
    def secrets(self) -> Path:
        """The sealed values of secrets."""
        return self.state / "secrets.json"

    @property
    def daemon_log(self) -> Path:
        """The daemon's own log."""
        return self.state / "daemon.log"


def places_of(root: Path, user_id: int, temporary: str = "/tmp") -> Places:  # noqa: S108
    """The places of the app whose `shipway.yaml` lies in `root` (absolute)."""
    name = hashlib.sha256(str(root).encode()).hexdigest()[:12]
    return Places(root, Path(temporary) / f"shipway-{user_id}" / name)
