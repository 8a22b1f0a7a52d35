"""Runs the fast tests and the demo under every interpreter that is found: `tests/pythons.py [--no-demo] [3.13 …]`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parent.parent
OLDEST = (3, 11)
FAST = [
    "tests/core", "tests/description", "tests/cli", "tests/pipeline", "tests/local/state/test_store.py",
    "tests/local/source/test_git_source.py", "tests/local/tasks/test_processes.py", "tests/e2e/test_bring_your_own.py",
]  # fmt: skip
_ASK = "import sqlite3, sys; print(*sys.version_info[:3], sqlite3.sqlite_version)"


def interpreters() -> dict[str, tuple[str, str]]:
    """`3.12` → the newest one's path, and its own and SQLite's version; from PATH and from pyenv's folder."""
    newest: dict[tuple[int, int], tuple[int, str, str]] = {}
    for path in _candidates():
        done = subprocess.run([path, "-c", _ASK], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            continue
        *numbers, sqlite = done.stdout.split()
        major, minor, patch = map(int, numbers)
        if (major, minor) >= OLDEST and patch > newest.get((major, minor), (-1,))[0]:
            newest[major, minor] = patch, str(path), f"Python {major}.{minor}.{patch}, SQLite {sqlite}"
    return {f"{major}.{minor}": found[1:] for (major, minor), found in sorted(newest.items())}


def _candidates() -> Iterable[Path]:
    folders = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep) if folder]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    folders += sorted(pyenv.glob("versions/*/bin"))
    here = Path(sys.executable).parent
    for folder in folders:
        if folder != here:
            yield from sorted(folder.glob("python3.[0-9][0-9]"))


def main(arguments: list[str]) -> int:
    """Exit status 1 if anything failed anywhere."""
    wanted = [argument for argument in arguments if not argument.startswith("-")]
    failed = []
    for name, (path, versions) in interpreters().items():
        if wanted and name not in wanted:
            continue
        environment = f".venv-{name}"
        print(f"== {versions}: {environment}", flush=True)
        steps = [
            ["make", "--silent", f"VENV={environment}", f"PYTHON={path}", f"{environment}/.ready"],
            [f"{environment}/bin/python", "-m", "pytest", "-n", "3", "--dist", "loadfile", *FAST],
        ]
        if "--no-demo" not in arguments:
            steps.append([f"{environment}/bin/shipway", "demo"])
        for step in steps:
            if subprocess.run(step, cwd=ROOT, stdin=subprocess.DEVNULL, check=False).returncode != 0:
                failed.append(f"{versions}: {' '.join(step[:4])}")
                break
    print(f"failed: {'; '.join(failed)}" if failed else "✔ all of them", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
