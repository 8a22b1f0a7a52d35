"""Steps of trainings as processes that outlive this program; each in a folder named by all that goes into it.

`<digest>/ml` is what the step sees as /opt/ml, `log` what it wrote, `exit` its exit code, `done.json` the digests of its
results: written last, and believed only while they hold. The step's process inherits the folder's lock. So whoever
comes after a control plane that was killed waits at the lock until the step has ended, and finds what it left.

Where a step runs in a container, that process is the engine's client, and `engine` names the engine.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from shipway.core.errors import ShipwayError
from shipway.core.ports.learning import TrainingSteps
from shipway.core.ports.telling import Tell
from shipway.core.training.steps import StepDone, StepOrder
from shipway.core.training.windows import MONTH
from shipway.local.builds.confinement import Confinement
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.local.files.atomic_file import write_atomically
from shipway.local.files.file_lock import locked_if_free, take
from shipway.local.state.storage import touch
from shipway.local.tasks.process_table import started_at
from shipway.local.training.containers import Containers
from shipway.local.training.layout import Channel, Shelves, data_in, lay_out, made_of, order_digest, results
from shipway.local.training.place import MARK, Place, end, end_container, end_session
from shipway.local.training.starting import Starting

_log = logging.getLogger(__name__)
_LAUNCHER = (
    "import subprocess, sys\n"
    "code = subprocess.call(sys.argv[2:])\n"
    "open(sys.argv[1] + '.new', 'w').write(str(code))\n"
    "import os\n"
    "os.replace(sys.argv[1] + '.new', sys.argv[1])\n"
)
"""Outlives this program, holds the lock, and leaves the exit code."""
_LOOK = 0.1
_LITTLE_ROOM = 1 << 20
_LAST_WORDS, _MOST_TOLD, _MOST_LINE = 1024, 200, 300


class LocalSteps(TrainingSteps):
    """`buckets` holds the buckets of data, `folder` the steps, `versions` the model versions."""

    def __init__(
        self,
        folder: Path,
        buckets: Path,
        versions: Path,
        environments: PythonEnvironments,
        confinement: Confinement,
        containers: Containers | None = None,
    ) -> None:
        self._folder, self._buckets, self._versions = folder, buckets, versions
        self._starting = Starting(environments, confinement, containers or Containers(folder))

    def months(self, bucket: str, tables: Sequence[str]) -> Sequence[str]:
        found = [
            # an empty folder is a month that has not come
            {
                path.name
                for path in (self._buckets / bucket / table).glob("*")
                if MONTH.fullmatch(path.name) and data_in(path)
            }
            for table in tables
        ]
        return sorted(set.intersection(*found)) if found else []

    def run(self, order: StepOrder, tell: Tell) -> StepDone:
        shelves = Shelves(self._buckets / order.bucket, self._folder, self._versions)
        channels = {name: shelves.channel(given) for name, given in order.inputs.items()}
        parts = made_of(order, channels)
        digest = order_digest(order, parts)
        place = Place(self._folder / digest)
        self._folder.mkdir(parents=True, exist_ok=True)
        with _held(place, order, tell) as held:
            place.folder.mkdir(exist_ok=True)
            done = _believed(place)
            if done is not None:
                touch(place.folder)
                return StepDone(order.name, digest, float(done["seconds"]), True, done["outputs"], parts)
            began = time.monotonic()
            if place.done.exists() or _code(place) != 0:
                self._carry_out(place, order, channels, held, tell)
            return replace(self._finished(place, order, digest, time.monotonic() - began), made_of=parts)

    def read(self, done: StepDone, file: str) -> Mapping[str, Any]:
        path = self._folder / done.digest / "ml" / file
        try:
            content = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise ShipwayError(f"{path} cannot be read: {error}", fix="shipway train makes it again") from None
        if not isinstance(content, dict):
            raise ShipwayError(f"{path} holds no JSON object", fix="correct the training's program")
        return content

    def folder(self, done: StepDone, name: str) -> str:
        return str(self._folder / done.digest / "ml" / name)

    def stop(self) -> None:
        """End every step that runs. A container that its engine can't end now is ended before its step begins again."""
        for folder in self._folder.glob("*"):
            place = Place(folder)
            if place.lock.exists():
                with locked_if_free(place.lock) as free:
                    pass
                if not free:
                    try:
                        end(place)
                    except ShipwayError as error:
                        _log.warning("%s; by hand: %s", error.what, error.fix)

    def _carry_out(
        self, place: Place, order: StepOrder, channels: Mapping[str, Channel], held: int, tell: Tell
    ) -> None:
        """Run the step to its end. Raises ShipwayError when it takes too long."""
        if place.log.exists() and not (place.exit.exists() or place.done.exists()):
            # A launcher that was killed alone left the program behind, and nobody to hold the lock.
            end(place)
        for file in (place.done, place.exit):
            file.unlink(missing_ok=True)
        lay_out(place.base, order, channels)
        if order_digest(order, made_of(order, channels)) != place.folder.name:
            raise ShipwayError(f"what {order.name} reads changed while it was copied", fix="shipway train")
        scratch = place.folder / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        start = (
            self._starting.in_container(place, order, scratch, tell)
            if order.container
            else self._starting.as_process(place, order, scratch)
        )
        with place.log.open("wb") as log:
            try:
                child = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(place.exit), *start.argv],
                    cwd=start.folder, env={**start.variables, MARK: place.folder.name}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True, pass_fds=(held,),
                )  # fmt: skip
            except OSError as error:
                raise ShipwayError(f"{order.name} cannot be started: {error}", fix="shipway train") from None
        write_atomically(place.leader, f"{child.pid} {started_at(child.pid) or 0.0}".encode(), lasting=False)
        printed = _Printed(place.log, tell)
        deadline = time.monotonic() + order.timeout
        while child.poll() is None:
            printed.tell_more()
            if time.monotonic() > deadline:
                end_session(place)
                child.wait()
                end(place)
                raise _too_long(order)
            time.sleep(_LOOK)
        end_session(place)
        end_container(place)
        printed.tell_more()

    def _finished(self, place: Place, order: StepOrder, digest: str, seconds: float) -> StepDone:
        """The result of a step that ended. Raises ShipwayError when it failed."""
        code = _code(place)
        if code != 0:
            # what it wanted to say may not have been written then
            full = shutil.disk_usage(place.folder).free < _LITTLE_ROOM
            correct = "make room (`df -h`; `shipway prune` removes what nobody needs)" if full else "correct it"
            raise ShipwayError(
                f"{order.name} failed: {_reason(place, order, code)}{'; the disk is full' if full else ''}",
                fix=f"{correct}, then shipway train; its whole log: {place.log}",
                state="nothing was registered; the champion stays",
            )
        for left in ("processing/input", "input", "checkpoints"):
            shutil.rmtree(place.base / left, ignore_errors=True)
        shutil.rmtree(place.folder / "scratch", ignore_errors=True)
        outputs = results(place.base)
        done = {"step": order.name, "artifact": order.artifact.digest, "seconds": seconds, "outputs": outputs}
        write_atomically(place.done, json.dumps(done, indent=1).encode())
        place.exit.unlink()
        return StepDone(order.name, digest, seconds, False, outputs)


@contextmanager
def _held(place: Place, order: StepOrder, tell: Tell) -> Iterator[int]:
    """Hold the folder's lock; a step that runs there already is waited for, or ended when its time is up."""
    descriptor = os.open(place.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline, told = time.monotonic() + order.timeout, False
        while not take(descriptor):
            if not told:
                tell("it runs already; waiting for it")
                told = True
            if time.monotonic() > deadline:
                end(place)
                raise _too_long(order)
            time.sleep(_LOOK)
        yield descriptor
    finally:
        os.close(descriptor)


def _believed(place: Place) -> dict[str, Any] | None:
    """What done.json says, if every result is there and has its digest."""
    try:
        done: dict[str, Any] = json.loads(place.done.read_bytes())
        return done if done["outputs"] == results(place.base) else None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _code(place: Place) -> int | None:
    """The exit code that a step left, None if it left none: it was killed, or never ran."""
    try:
        return int(place.exit.read_text())
    except (FileNotFoundError, ValueError):
        return None


def _reason(place: Place, order: StepOrder, code: int | None) -> str:
    """Why it failed, in its own words."""
    file = place.base / "output" / ("message" if order.hyperparameters is None else "failure")
    try:
        text = file.read_bytes()[:_LAST_WORDS].decode("utf-8", "replace").strip()
    except OSError:
        text = ""
    if not text:
        lines = place.log.read_bytes()[-_LAST_WORDS:].decode("utf-8", "replace").strip().splitlines()
        text = lines[-1] if lines else ""
    said = _printable(text.removeprefix("WrongData: "))
    if code is None:
        return f"it was killed; its last words: {said}" if said else "it was killed"
    return said or f"exit code {code}"


def _too_long(order: StepOrder) -> ShipwayError:
    return ShipwayError(
        f"{order.name} was not done within {order.timeout:.0f} s and was ended",
        fix="give it more time (model.training.step_timeout), or less to do; shipway train goes on from its checkpoint",
    )


class _Printed:
    """Tells the lines that a step prints, the first 200 of them."""

    def __init__(self, path: Path, tell: Tell) -> None:
        self._path, self._tell, self._read, self._told = path, tell, 0, 0

    def tell_more(self) -> None:
        """Tell the whole lines that came since the last call."""
        with self._path.open("rb") as file:
            file.seek(self._read)
            text = file.read(1 << 16)
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.decode("utf-8", "replace").splitlines():
            self._told += 1
            if self._told <= _MOST_TOLD:
                self._tell(_printable(line)[:_MOST_LINE])


def _printable(text: str) -> str:
    return re.sub(r"[^\S ]|[^\x20-\uffff]|[\x7f-\x9f]", "?", text)
