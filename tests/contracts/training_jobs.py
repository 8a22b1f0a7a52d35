"""Training jobs as the platform runs them: its files laid out, `train` started, what is left of it read."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.contracts.images import Image, environment, volumes
from tests.contracts.programs import Program

_INSIDE = "/opt/ml"
_WORDS = ("-m", "training.container", "train")
_NAMED = {"TRAINING_JOB_NAME": "test"}
_CHANNEL = {
    "ContentType": "text/csv", "TrainingInputMode": "File", "S3DistributionType": "FullyReplicated",
    "RecordWrapperType": "None",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Job:
    """A training job that ran: the root it saw as /opt/ml, exit code and output."""

    root: Path
    exit_code: int
    output: str

    @property
    def failure(self) -> str | None:
        """What it wrote for the platform to show as FailureReason."""
        return failure(self.root)


@dataclass(frozen=True, slots=True)
class Trainer:
    """Starts the training program as the platform does: from its image where one is given, else as a process."""

    program: Program
    image: Image | None

    def run(self, root: Path, hyperparameters: Mapping[str, object], options: Sequence[str] = ()) -> Job:
        """A job to its end; `options` are the engine's."""
        lay_out(root, hyperparameters)
        if self.image is not None:
            done = self.image.run("train", options=[*_options(self.image, root), *options])
        else:
            done = self.program.run(*_WORDS, SAGEMAKER_BASE_DIR=str(root), **_NAMED)
        return Job(root, done.returncode, done.stdout + done.stderr)

    @contextmanager
    def running(
        self, root: Path, hyperparameters: Mapping[str, object], log: Path
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A job while the block runs."""
        lay_out(root, hyperparameters)
        if self.image is not None:
            with self.image.running(log, "train", options=_options(self.image, root)) as process:
                yield process
            return
        with log.open("wb") as file:
            process = self.program.begin(_WORDS, file, {"SAGEMAKER_BASE_DIR": str(root), **_NAMED})
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def lay_out(root: Path, hyperparameters: Mapping[str, object]) -> None:
    """What the platform lays out before it starts a job on one instance."""
    config = root / "input" / "config"
    cluster = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "eth0"}
    for folder in ("input/config", "input/data/training", "model", "output/data"):
        (root / folder).mkdir(parents=True)
    # written by whatever user an image has
    for folder in ("model", "output"):
        (root / folder).chmod(0o777)
    (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
    (config / "inputdataconfig.json").write_text(json.dumps({"training": _CHANNEL}))
    (config / "resourceconfig.json").write_text(json.dumps(cluster))


def failure(root: Path) -> str | None:
    """The reason that a job left, if it did."""
    path = root / "output" / "failure"
    return path.read_text(encoding="utf-8") if path.exists() else None


def _options(image: Image, root: Path) -> list[str]:
    # Docker's root is root of the machine, too: what a job leaves could not be removed by whoever runs the tests
    user = ["--user", f"{os.getuid()}:{os.getgid()}"] if image.engine == "docker" and os.getuid() != 0 else []
    return [*environment(_NAMED), *volumes({root: _INSIDE}), *user]
