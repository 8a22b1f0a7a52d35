"""The same training as a SageMaker training container runs it: `python -m training.container train`.

Hyperparameters are the command line's options by name (`rounds`, `learning-rate`, `from`, …); the model goes where
the platform picks it up. The data is the distribution in the image, so channels are not read.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path

from training import source
from training.__main__ import parse, run
from training.prepare import prepare

ROOT = Path("/opt/ml")
_FAILURE_SIZE = 1024


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Train as `root`/input says; 0 when the model lies in `root`/model, 1 with `root`/output/failure written."""
    if arguments != ["train"]:
        print("usage: python -m training.container train", file=sys.stderr)
        return 2
    try:
        options = parse(command_line(root))
        folder = source.data_folder()
        table = prepare(source.read_flights(folder), source.read_weather(folder))
        print(run(options, folder, table, lambda line: print(line, flush=True)))
    # whatever went wrong is the job's FailureReason; the exit code says that it failed
    except Exception as error:
        traceback.print_exc()
        failure = root / "output" / "failure"
        failure.parent.mkdir(parents=True, exist_ok=True)
        failure.write_text(f"{type(error).__name__}: {error}"[:_FAILURE_SIZE])
        return 1
    return 0


def command_line(root: Path) -> list[str]:
    """The command line that hyperparameters.json stands for. Raises ValueError when a value is no string."""
    given = json.loads((root / "input" / "config" / "hyperparameters.json").read_text())
    wrong = [name for name, value in given.items() if not isinstance(value, str)]
    if wrong:
        raise ValueError(f"hyperparameters.json: {', '.join(wrong)}: every value must be a string")
    # the platform chooses where the model goes, so this comes last and wins
    return [*(f"--{name}={value}" for name, value in given.items()), f"--output={root / 'model'}"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
