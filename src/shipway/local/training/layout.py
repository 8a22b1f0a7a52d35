"""A step's folder as SageMaker lays out /opt/ml: configuration and channels, copied; and the digest of all of it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shipway.core.errors import ShipwayError
from shipway.core.training.steps import Input, StepOrder

CHECKPOINTS = "checkpoints"


@dataclass(frozen=True, slots=True)
class Channel:
    """The files of one input: path in the channel → file, or the text that it gets."""

    files: Mapping[str, Path]
    text: tuple[str, str] | None = None

    @property
    def digest(self) -> str:
        """SHA-256 over paths and contents."""
        digests = file_digests(self.files)
        if self.text is not None:
            digests[self.text[0]] = hashlib.sha256(self.text[1].encode()).hexdigest()
        return _digest(digests)

    def fill(self, folder: Path) -> None:
        """Copy it there: a program must not reach what it was copied from."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, source in self.files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        if self.text is not None:
            (folder / self.text[0]).write_text(self.text[1])


@dataclass(frozen=True, slots=True)
class Shelves:
    """Where inputs lie: training data, results of steps by digest, model versions."""

    data: Path
    steps: Path
    versions: Path

    def channel(self, given: Input) -> Channel:
        """The files of an input. Raises ShipwayError when they are not there any more."""
        match given.kind:
            case "document":
                return Channel({}, (given.part, given.text))
            case "step":
                folder = self.steps / given.name / "ml" / given.part
                return Channel(_below(folder))
            case "version":
                return Channel(_below(self.versions / given.name))
            case "data":
                folder = self.data / given.name
                months = [_below(folder / month, month) for month in given.months]
                return Channel({name: path for month in months for name, path in month.items()})


def made_of(order: StepOrder, channels: Mapping[str, Channel]) -> dict[str, str]:
    """Digests of all that goes into the result of an order; the program's is that of its folder and lock."""
    # Not `command` runs in a container, but what the image's Dockerfile says, which is part of the artifact.
    program = "a container" if order.container else order.command
    own = {
        "program": _digest([order.artifact.digest, program]),
        "options": _digest(list(order.options)),
        "parameters": _digest(None if order.hyperparameters is None else dict(order.hyperparameters)),
    }
    # A table may be named `options` as well: neither may hide the other.
    return own | {f"input {name}" if name in own else name: channel.digest for name, channel in channels.items()}


def order_digest(order: StepOrder, parts: Mapping[str, str]) -> str:
    """Names the result of an order, by what it is `made_of`."""
    return _digest({"step": order.name, "parts": dict(parts)})


def lay_out(base: Path, order: StepOrder, channels: Mapping[str, Channel]) -> None:
    """Lay the step's folders and files out anew; checkpoints of an attempt before stay."""
    base.mkdir(parents=True, exist_ok=True)
    for left in base.iterdir():
        if left.is_dir() and not left.is_symlink():
            if left.name != CHECKPOINTS:
                shutil.rmtree(left)
        else:
            left.unlink()
    for name in (CHECKPOINTS, "model", "output", "processing/output", "input/config"):
        (base / name).mkdir(parents=True, exist_ok=True)
    inputs = base / ("processing/input" if order.hyperparameters is None else "input/data")
    for name, channel in channels.items():
        channel.fill(inputs / name)
    if order.hyperparameters is not None:
        hosts = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"}
        config = {name: {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated"} for name in channels}
        written = {
            "hyperparameters": dict(order.hyperparameters), "resourceconfig": hosts, "inputdataconfig": config
        }  # fmt: skip
        for name, content in written.items():
            (base / "input" / "config" / f"{name}.json").write_text(json.dumps(content, sort_keys=True))


def results(base: Path) -> dict[str, str]:
    """SHA-256 of the result's files by path: of a training job its model, of a processing job its outputs."""
    return file_digests({**_below(base / "model", "model"), **_below(base / "processing/output", "processing/output")})


def file_digests(files: Mapping[str, Path]) -> dict[str, str]:
    """SHA-256 by name. Raises ShipwayError when one is not there any more."""
    found = {}
    for name, path in sorted(files.items()):
        try:
            with path.open("rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ShipwayError(f"{path} cannot be read: {error.strerror}", fix="shipway train makes it again") from None
    return found


def data_in(folder: Path) -> bool:
    """Whether a month's folder has a file that a step would read; hidden ones are a copying program's."""
    return any(not name.rpartition("/")[2].startswith((".", "_")) for name in _below(folder))


def _below(folder: Path, prefix: str = "") -> dict[str, Path]:
    """The files of a folder, by path. Links are no files: a program could lead us anywhere by one."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            name = path.relative_to(folder).as_posix()
            found[f"{prefix}/{name}" if prefix else name] = path
    return found


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
