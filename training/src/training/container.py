"""The training's steps as SageMaker runs them: `python -m training.container STEP`, the image's entry point.

`train` is a training job: hyperparameters and channels below /opt/ml/input, the model in /opt/ml/model. The other steps
are processing jobs: data below /opt/ml/processing/input and output, options as arguments of the container. On one
machine the same folders lie where SAGEMAKER_BASE_DIR says.

SIGTERM, which StopTrainingJob sends 120 seconds before SIGKILL, ends a step at once: no result, the reason in
output/failure (output/message of a processing job), exit code 143. While the result's files are being written it
finishes instead, which takes milliseconds.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BASE_VARIABLE, BASE = "SAGEMAKER_BASE_DIR", "/opt/ml"
STEPS = ("prepare", "tune", "train", "evaluate", "bias", "package")
STOPS = (signal.SIGTERM, signal.SIGINT)
# The platform takes 1024 characters: so many bytes are never more, and never end within one.
_REASON_BYTES = 1024


def main(arguments: list[str], environ: Mapping[str, str] = os.environ) -> int:
    """Run a step on the base folder; 0 with its result there, 1 with the reason written, 2 on misuse."""
    step, *options = arguments or [""]
    if step not in STEPS or (step == "train" and options):
        allowed = f"one of {', '.join(STEPS)}; train takes no options, its hyperparameters come as a file"
        print(f"error: found {' '.join(arguments) or 'no argument'!r}, allowed is {allowed}", file=sys.stderr)
        return 2
    try:
        base = base_folder(environ)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    reason_file = base / "output" / ("failure" if step == "train" else "message")
    stop_on_signals(reason_file)
    try:
        if reason_file.exists():
            reason_file.unlink()
        # Imported late: it takes a second or more, during which a stop must already be heard.
        importlib.import_module(f"training.steps.{step}").run(base, options)
    # whatever went wrong is what the platform shows; the exit code says that it failed
    except Exception as error:
        traceback.print_exc()
        say_why(reason_file, f"{type(error).__name__}: {error}")
        return 1
    return 0


def base_folder(environ: Mapping[str, str]) -> Path:
    """Where the platform's input, model and output lie. Raises ValueError when that is no folder."""
    base = Path(environ.get(BASE_VARIABLE) or BASE)
    if not base.is_absolute() or not base.is_dir():
        raise ValueError(f"{BASE_VARIABLE}: found {str(base)!r}, allowed is the absolute path of an existing folder")
    return base


def stop_on_signals(reason_file: Path) -> None:
    """From now on SIGTERM and SIGINT end the process with 128 and their number; PID 1 would not hear them otherwise."""

    def stop(number: int, _: object) -> None:
        say_why(reason_file, f"stopped by {signal.Signals(number).name} before it was done: there is no result")
        # No exception: raised while a library calls back, it would be swallowed there.
        os._exit(128 + number)

    for number in STOPS:
        signal.signal(number, stop)


def write_to_the_end() -> None:
    """The point of no return: a stop that comes from here on finds a whole result and exit code 0."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)


def say_why(path: Path, reason: str) -> None:
    """Write the reason that the platform shows; where that cannot be written, the log has to do."""
    text = reason.encode("utf-8", "backslashreplace")[:_REASON_BYTES].decode("utf-8", "ignore")
    # unbuffered, as a signal may have come while the buffer is in use
    os.write(2, f"{text}\n".encode())
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        os.write(2, f"cannot write {path}: {error.strerror}\n".encode())


def json_object(path: Path) -> dict[str, Any] | None:
    """The file's content, None when there is no file. Raises ValueError when it is no JSON object."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path.name}: expected a JSON object: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path.name}: found {json.dumps(content)[:80]}, allowed is a JSON object")
    return content


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
