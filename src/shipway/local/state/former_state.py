"""What earlier versions of Shipway kept, and this one does not read any more."""

from __future__ import annotations

import logging
from pathlib import Path

_log = logging.getLogger(__name__)


def set_aside(state: Path) -> None:
    """Rename the second database of runs, so that an older Shipway, put back, does not carry out its old runs again."""
    for file in sorted(state.glob("runs.db*")):
        if file.name in ("runs.db", "runs.db-wal", "runs.db-shm"):
            unused = file.with_name(file.name.replace("runs.db", "runs.db.unused", 1))
            try:
                file.replace(unused)
            except OSError as error:
                _log.warning("%s is not read any more, and could not be renamed: %s", file, error)
            else:
                _log.info("%s is not read any more: it is %s now and may be deleted", file.name, unused.name)
