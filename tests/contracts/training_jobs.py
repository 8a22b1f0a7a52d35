"""The training's jobs as the platform runs them: its files laid out, a step started, what is left of it read.

Both kinds: a training job, and processing jobs for the other steps.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.contracts.images import Image, environment, volumes
from tests.contracts.programs import Program

_INSIDE = "/opt/ml"
_PROGRAM = ("-m", "training.container")
_NAMED = {"TRAINING_JOB_NAME": "test"}
_CHANNEL = {
    "ContentType": "application/x-parquet", "TrainingInputMode": "File", "S3DistributionType": "FullyReplicated",
    "RecordWrapperType": "None",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Job:
    """A job that ran: the root it saw as /opt/ml, exit code and output."""

    root: Path
    exit_code: int
    output: str

    @property
    def failure(self) -> str | None:
        """What a training job wrote for the platform to show as FailureReason."""
        return failure(self.root)

    @property
    def message(self) -> str | None:
        """What a processing job wrote for the platform to show as ExitMessage."""
        return _text(self.root / "output" / "message")

    def output_folder(self, name: str) -> Path:
        """An output of a processing job."""
        return self.root / "processing" / "output" / name


@dataclass(frozen=True, slots=True)
class Trainer:
    """Starts the training's steps as the platform does: from their image where one is given, else as processes.

    `rows` holds what a training job's channel gets.
    """

    program: Program
    image: Image | None
    rows: Path

    def run(self, root: Path, hyperparameters: Mapping[str, object], options: Sequence[str] = ()) -> Job:
        """A training job to its end; `options` are the engine's."""
        lay_out(root, hyperparameters, self.rows)
        return self.again(root, options)

    def again(self, root: Path, options: Sequence[str] = ()) -> Job:
        """A training job on what lies in the folder, such as an earlier one's checkpoint."""
        return self._run(root, ["train"], options)

    def process(self, root: Path, step: str, words: Sequence[str], inputs: Mapping[str, Path]) -> Job:
        """A processing job to its end, on copies of those folders."""
        for name, folder in inputs.items():
            _fill(folder, root / "processing" / "input" / name)
        for folder in (root / "processing" / "output", root / "output"):
            folder.mkdir(parents=True)
            folder.chmod(0o777)
        return self._run(root, [step, *words])

    @contextmanager
    def running(
        self, root: Path, hyperparameters: Mapping[str, object], log: Path
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A training job while the block runs."""
        lay_out(root, hyperparameters, self.rows)
        if self.image is not None:
            with self.image.running(log, "train", options=_options(self.image, root)) as process:
                yield process
            return
        with log.open("wb") as file:
            process = self.program.begin([*_PROGRAM, "train"], file, {"SAGEMAKER_BASE_DIR": str(root), **_NAMED})
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def _run(self, root: Path, words: Sequence[str], options: Sequence[str] = ()) -> Job:
        if self.image is not None:
            done = self.image.run(*words, options=[*_options(self.image, root), *options])
        else:
            done = self.program.run(*_PROGRAM, *words, SAGEMAKER_BASE_DIR=str(root), **_NAMED)
        return Job(root, done.returncode, done.stdout + done.stderr)


def lay_out(root: Path, hyperparameters: Mapping[str, object], rows: Path) -> None:
    """What the platform lays out before it starts a training job on one instance."""
    config = root / "input" / "config"
    cluster = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "eth0"}
    for folder in ("input/config", "model", "checkpoints", "output/data"):
        (root / folder).mkdir(parents=True)
    # written by whatever user an image has
    for folder in ("model", "checkpoints", "output"):
        (root / folder).chmod(0o777)
    (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
    (config / "inputdataconfig.json").write_text(json.dumps({"training": _CHANNEL}))
    (config / "resourceconfig.json").write_text(json.dumps(cluster))
    _fill(rows, root / "input" / "data" / "training")


def failure(root: Path) -> str | None:
    """The reason that a training job left, if it did."""
    return _text(root / "output" / "failure")


def _fill(source: Path, folder: Path) -> None:
    shutil.copytree(source, folder)
    # readable for whatever user an image has, as the platform's are
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _options(image: Image, root: Path) -> list[str]:
    # Docker's root is root of the machine, too: what a job leaves could not be removed by whoever runs the tests
    user = ["--user", f"{os.getuid()}:{os.getgid()}"] if image.engine == "docker" and os.getuid() != 0 else []
    return [*environment(_NAMED), *volumes({root: _INSIDE}), *user]
