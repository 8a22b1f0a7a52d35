"""Runs each part's own tests in the part's own locked environment, as a build would, slow ones included."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shipway.local.builds.python_environment import PythonEnvironments

ROOT = Path(__file__).parent.parent
AT_ONCE = 2


def main(parts: list[str]) -> int:
    """Exit status 1 if any part's tests fail."""
    environments = PythonEnvironments(ROOT / ".venv" / "parts")

    def run(part: str) -> bool:
        lock = (ROOT / part / "requirements-test.lock").read_bytes()
        environment = environments.ensure(lock, f"{part}'s tests", lambda line: print(line, flush=True))
        variables = environments.variables(environment.path, str(ROOT / part))
        # An expression that every test matches: markers that a part leaves out of its quick run are in.
        command = [f"{environment.path}/bin/python", "-m", "pytest", "-q", "-m", "slow or not slow"]
        done = subprocess.run(
            command, cwd=ROOT / part, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", check=False,
        )  # fmt: skip
        print(f"{part}:\n{done.stdout}", flush=True)
        return done.returncode == 0

    with ThreadPoolExecutor(AT_ONCE) as pool:
        passed = list(pool.map(run, parts))
    failed = [part for part, good in zip(parts, passed, strict=True) if not good]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
