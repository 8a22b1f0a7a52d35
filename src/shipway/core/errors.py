"""What can go wrong, as the person at the command line sees it: what happened, what to do, which exit code."""

from __future__ import annotations

import errno


class ShipwayError(Exception):
    """A fault with a message a person can act on.

    `what` says what happened and why, `fix` the next command or edit, `state` what is true now.
    """

    exit_code = 1

    def __init__(self, what: str, *, fix: str = "", state: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix
        self.state = state


class UsageError(ShipwayError):
    """The caller asked for something that does not exist or is malformed."""

    exit_code = 2


class Refused(ShipwayError):
    """A gate, a role, a lock or a check said no; nothing changed."""

    exit_code = 3


class Superseded(Refused):
    """A newer order replaced this one, which was not carried out."""


class RolledBack(ShipwayError):
    """The rollout was undone; the stable release serves."""

    exit_code = 4


def explained(error: OSError) -> ShipwayError:
    """The system's error, with a fix where the machine ran out of something."""
    what = f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        fix = "make room (`df -h`; `shipway prune` removes what nobody needs), then try again"
        return ShipwayError(f"the disk is full ({what})", fix=fix, state="nothing half-done was kept")
    if error.errno in (errno.EMFILE, errno.ENFILE):
        fix = "see `shipway status`; restart it with a larger `ulimit -n`: shipway down --keep-tasks, shipway up"
        return ShipwayError(f"Shipway has no file descriptors left ({what})", fix=fix)
    return ShipwayError(f"{type(error).__name__}: {what}", fix="shipway logs --daemon")
