"""Keeps the wanted model version in service: loads the next beside the current one, then changes over at once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ml_model_service.model import Model, ModelError, load
from ml_model_service.parameter import ParameterError, VersionParameter

log = logging.getLogger(__name__)
RETRY_AFTER = 2.0


@dataclass(frozen=True, slots=True)
class Pending:
    """A version that is wanted and not served: still loading, or `error` says why not."""

    version: str | None
    error: str | None = None


class Served:
    """The model in service and the one that is wanted instead. Only the event loop's thread writes it.

    A request takes `model` once and answers all of its rows from that.
    """

    def __init__(self) -> None:
        self.model: Model | None = None
        self.pending: Pending | None = Pending(None)

    def take(self, model: Model) -> None:
        """Serve `model` from the next request on."""
        self.model, self.pending = model, None
        log.info("serving model %s, digest %s", model.version, model.digest)

    def refuse(self, version: str | None, error: str) -> None:
        """Keep what is served and remember why `version` is not; says so once for each reason."""
        refused = Pending(version, error)
        if refused != self.pending:
            log.error("model %s is not served, %s stays: %s", version, self.model and self.model.version, error)
        self.pending = refused


async def serve_baked(served: Served, folder: Path) -> None:
    """Load the model that lies in `folder`, once."""
    try:
        served.take(await asyncio.to_thread(load, folder))
    except ModelError as error:
        served.refuse(None, str(error))


async def follow(
    served: Served, parameter: VersionParameter, bucket: Path, clock: Callable[[], float] = time.monotonic
) -> None:
    """Serve whatever version `parameter` names, for as long as the task runs.

    A version that failed is tried again every two seconds, as its files may still be arriving.
    """
    failed, retry_at = "", 0.0
    while True:
        try:
            wanted = await asyncio.to_thread(parameter.read)
        except ParameterError as error:
            served.refuse(None, str(error))
        else:
            if served.model is not None and served.model.version == wanted:
                served.pending = None
                failed = ""
            elif wanted != failed or clock() >= retry_at:
                failed = "" if await _change_over(served, bucket, wanted) else wanted
                retry_at = clock() + RETRY_AFTER
        await asyncio.sleep(parameter.interval)


async def _change_over(served: Served, bucket: Path, wanted: str) -> bool:
    if served.pending is None or served.pending.version != wanted:
        served.pending = Pending(wanted)
    try:
        model = await asyncio.to_thread(load, bucket / wanted, wanted)
    except ModelError as error:
        served.refuse(wanted, str(error))
        return False
    served.take(model)
    return True
