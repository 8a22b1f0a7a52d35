"""Runs each part's own tests in the part's own locked environment: as a build would, or with --slow those it leaves out.

With --slow its types are checked as well, against the packages of that environment.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shipway.local.builds.python_environment import PythonEnvironments

ROOT = Path(__file__).parent.parent
AT_ONCE = 2
LEFT_OUT = ("slow", "postgres")
"""Markers of tests that a build does not wait for."""
NO_TESTS = 5
"""Exit status of pytest where no test is asked for."""


def main(arguments: list[str]) -> int:
    """Exit status 1 if any part's tests fail."""
    slow = "--slow" in arguments
    parts = [argument for argument in arguments if argument != "--slow"]
    expressions = {part: _expression(part, slow) for part in parts}
    environments = PythonEnvironments(ROOT / ".venv" / "parts")

    def run(part: str) -> bool:
        lock = (ROOT / part / "requirements-test.lock").read_bytes()
        environment = environments.ensure(lock, f"{part}'s tests", lambda line: print(line, flush=True))
        variables = environments.variables(environment.path, str(ROOT / part))
        if not slow:
            return _tests(part, environment.path, variables, expressions[part]) == 0
        tests = _tests(part, environment.path, variables, expressions[part]) if expressions[part] else NO_TESTS
        return tests in (0, NO_TESTS) and _types_fit(part, environment.path, variables)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        passed = list(pool.map(run, parts))
    failed = [part for part, good in zip(parts, passed, strict=True) if not good]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _tests(part: str, environment: str, variables: dict[str, str], expression: str) -> int:
    command = [f"{environment}/bin/python", "-m", "pytest", "-q", "-m", expression]
    done = subprocess.run(
        command, cwd=ROOT / part, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", check=False,
    )  # fmt: skip
    print(f"{part}:\n{done.stdout}", flush=True)
    return done.returncode


def _types_fit(part: str, environment: str, variables: dict[str, str]) -> bool:
    command = [sys.executable, "-m", "mypy", "--python-executable", f"{environment}/bin/python"]
    done = subprocess.run(command, cwd=ROOT / part, env=variables, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"{part}: types\n{done.stdout}{done.stderr}", flush=True)
    return done.returncode == 0


def _expression(part: str, slow: bool) -> str:
    """Which tests: those with a marker that the part has and a build leaves out, or all others."""
    options = tomllib.loads((ROOT / part / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    names = [marker.split(":")[0] for marker in options.get("markers", ())]
    return " or ".join(name for name in names if name in LEFT_OUT) if slow else _none_of(names)


def _none_of(names: list[str]) -> str:
    return " and ".join(f"not {name}" for name in names if name in LEFT_OUT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
