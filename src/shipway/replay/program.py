"""The app's program of a replay: started in its own environment, read line by line, ended with the replay."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from shipway.core.errors import ShipwayError
from shipway.replay.events import Event, read

LONGEST = 4 << 20
"""Bytes of a line."""
_LAST_WORDS = 600


@asynccontextmanager
async def events_of(
    words: Sequence[str], folder: Path, variables: Mapping[str, str]
) -> AsyncIterator[AsyncIterator[Event]]:
    """The events that the program prints, as they are asked for.

    Raises ShipwayError when it can't be started or ends with another code than 0, UsageError for what is no event.
    """
    with tempfile.TemporaryFile() as said:
        try:
            process = await asyncio.create_subprocess_exec(
                *words, cwd=folder, env=dict(variables), stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE, stderr=said, limit=LONGEST, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise ShipwayError(f"the replay's program can't be started: {words[0]}: {error.strerror}") from error

        async def told() -> AsyncIterator[Event]:
            assert process.stdout is not None
            number = 0
            while line := await _line(process.stdout, number + 1):
                number += 1
                yield read(line, number)
            if code := await process.wait():
                said.seek(max(0, said.seek(0, 2) - _LAST_WORDS))
                last = said.read().decode("utf-8", "replace").strip() or "it said nothing"
                raise ShipwayError(f"the replay's program ended with {code}: {last}", fix="correct what it names")

        try:
            yield told()
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _line(stream: asyncio.StreamReader, number: int) -> bytes:
    try:
        return await stream.readline()
    except ValueError as error:
        raise ShipwayError(f"the replay's program, line {number}: longer than {LONGEST:,} bytes") from error
