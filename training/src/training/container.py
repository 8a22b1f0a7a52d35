"""The same training as a SageMaker training container runs it: `python -m training.container train`.

Hyperparameters are the command line's options by name (`rounds`, `learning-rate`, `from`, …); the model goes where
the platform picks it up. The data is the distribution in the image, so channels are not read.

SIGTERM, which StopTrainingJob sends 120 seconds before SIGKILL, ends it at once: no model, the reason in
output/failure, exit code 143. While the model's files are being written it finishes instead, which takes milliseconds.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BASE_VARIABLE, BASE = "SAGEMAKER_BASE_DIR", "/opt/ml"
STOPS = (signal.SIGTERM, signal.SIGINT)
# what the platform adds to a tuning job's hyperparameters, and its own SDK to any
_PLATFORMS_OWN = ("_", "sagemaker_")
# The platform takes 1024 characters: so many bytes are never more, and never end within one.
_FAILURE_BYTES = 1024


def main(arguments: list[str], environ: Mapping[str, str] = os.environ) -> int:
    """Train as the base folder's input says; 0 with a model there, 1 with output/failure written, 2 on misuse."""
    if arguments != ["train"]:
        print(f"error: found {' '.join(arguments) or 'no argument'!r}, allowed is 'train'", file=sys.stderr)
        return 2
    try:
        base = base_folder(environ)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    stop_on_signals(base)
    try:
        train(base)
    # whatever went wrong is the job's FailureReason; the exit code says that it failed
    except Exception as error:
        traceback.print_exc()
        say_why(base, f"{type(error).__name__}: {error}")
        return 1
    return 0


def base_folder(environ: Mapping[str, str]) -> Path:
    """Where the platform's input, model and output lie. Raises ValueError when that is no folder."""
    base = Path(environ.get(BASE_VARIABLE) or BASE)
    if not base.is_absolute() or not base.is_dir():
        raise ValueError(f"{BASE_VARIABLE}: found {str(base)!r}, allowed is the absolute path of an existing folder")
    return base


def train(base: Path) -> None:
    """Lay the model into `base`/model. Raises ValueError on wrong input, OSError where nothing can be written."""
    given = hyperparameters(base)
    refuse_several_hosts(base)
    earlier = base / "output" / "failure"
    if earlier.exists():
        earlier.unlink()
    model = base / "model"
    model.mkdir(exist_ok=True)
    # told before the training, not after it
    if not os.access(model, os.W_OK | os.X_OK):
        raise PermissionError(f"{model} cannot be written by user {os.getuid()}")

    # Imported late: it takes a second or more, during which a stop must already be heard.
    from training import source
    from training.__main__ import HYPERPARAMETERS, parse, run
    from training.prepare import prepare

    for name in given:
        if name not in HYPERPARAMETERS:
            raise ValueError(f"hyperparameters.json: found {name[:80]}, allowed are {', '.join(HYPERPARAMETERS)}")
    options = parse([*(f"--{name}={value}" for name, value in given.items()), f"--output={model}"])
    folder = source.data_folder()
    table = prepare(source.read_flights(folder), source.read_weather(folder))
    print(run(options, folder, table, lambda line: print(line, flush=True), write_to_the_end), flush=True)


def hyperparameters(base: Path) -> dict[str, str]:
    """The job's own hyperparameters by name. Raises ValueError when their file is not what it should be."""
    path = base / "input" / "config" / "hyperparameters.json"
    given = _json_object(path)
    if given is None:
        raise ValueError(f"{path} is missing: the platform lays it there, with {{}} where all values are the defaults")
    for name, value in given.items():
        if not isinstance(value, str):
            raise ValueError(f"{path.name}: {name[:80]}: found {json.dumps(value)[:80]}, allowed is a string")
    return {name: value for name, value in given.items() if not name.startswith(_PLATFORMS_OWN)}


def refuse_several_hosts(base: Path) -> None:
    """Raises ValueError when the job has several instances: each would write the same files."""
    path = base / "input" / "config" / "resourceconfig.json"
    hosts = (_json_object(path) or {}).get("hosts", [])
    if len(hosts) > 1:
        raise ValueError(f"{path.name}: found {len(hosts)} hosts, allowed is 1: this training runs on one instance")


def stop_on_signals(base: Path) -> None:
    """From now on SIGTERM and SIGINT end the process with 128 and their number; PID 1 would not hear them otherwise."""

    def stop(number: int, _: object) -> None:
        say_why(base, f"stopped by {signal.Signals(number).name} before the model was complete: there is no model")
        # No exception: raised while a library calls back, it would be swallowed there.
        os._exit(128 + number)

    for number in STOPS:
        signal.signal(number, stop)


def write_to_the_end(folder: Path, files: dict[str, bytes], described: dict[str, Any]) -> None:
    """Write the model, and let nobody stop that."""
    from training.package import write_model

    # The point of no return: a stop that comes from here on finds a whole model and exit code 0.
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
    write_model(folder, files, described)


def say_why(base: Path, reason: str) -> None:
    """Write the job's FailureReason; where that cannot be written, the log has to do."""
    text = reason.encode("utf-8", "backslashreplace")[:_FAILURE_BYTES].decode("utf-8", "ignore")
    # unbuffered, as a signal may have come while the buffer is in use
    os.write(2, f"{text}\n".encode())
    path = base / "output" / "failure"
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        os.write(2, f"cannot write {path}: {error.strerror}\n".encode())


def _json_object(path: Path) -> dict[str, Any] | None:
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
