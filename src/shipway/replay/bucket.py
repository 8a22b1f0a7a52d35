"""The bucket of the training's data: TABLE/MONTH/FILE, each file whole from the moment that it is there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from shipway.core.errors import ShipwayError, explained
from shipway.core.training.windows import MONTH
from shipway.replay.events import Upload


def months_of(bucket: Path, tables: Sequence[str]) -> list[str]:
    """The months that any table has, in order."""
    return sorted({path.name for table in tables for path in (bucket / table).glob("*") if MONTH.fullmatch(path.name)})


def upload(bucket: Path, folder: Path, what: Upload) -> bool:
    """Bring a file below `folder` into the bucket. False where that table has the month already: it stays as it is.

    Raises ShipwayError when the file is not there, or the disk has no room.
    """
    source, place = folder / what.file, bucket / what.table / what.month
    if place.exists():
        return False
    incoming = place.with_name(f".{what.month}.incoming")
    try:
        shutil.rmtree(incoming, ignore_errors=True)
        incoming.mkdir(parents=True)
        shutil.copyfile(source, incoming / source.name)
        with (incoming / source.name).open("rb") as written:
            os.fsync(written.fileno())
        # The month's folder comes with its file: a training that looks now finds all of it, or none.
        incoming.rename(place)
    except FileNotFoundError as error:
        fix = "correct the program: it writes a file before it tells of it"
        raise ShipwayError(f"the replay's program told of {what.file}, which is not there", fix=fix) from error
    except OSError as error:
        raise explained(error) from error
    return True
