"""Changes the rules in small ways, one at a time, and reports which changes no fast test notices.

mutmut makes the mutants and runs the tests that reach each of them; `[tool.mutmut]` in pyproject.toml says of which
files and with which tests. Its folder `mutants/` keeps the results, `mutmut show NAME` shows a mutant.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
MUTMUT = Path(sys.executable).parent / "mutmut"
SMALLEST = "shipway.core.observations.losses.*"
"""mutmut makes the mutants of all files before it tries those that it was asked for."""
UNNOTICED = {0: "survived", 5: "no test", 33: "no test"}
FAILED = (1, 3)
"""All that is neither of these was noticed because the tests took too long, which a busy machine does as well."""


def main() -> int:
    """Exit status 1 when the tests fail without any mutant; survivors are for people to judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="+", help="within shipway: core.verdicts.traffic, or all of core")
    parser.add_argument("--sample", type=int, default=100, help="how many mutants to try")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    _try([SMALLEST])
    wanted = tuple(f"shipway.{module}." for module in arguments.modules)
    names = sorted(name for name in _results() if name.startswith(wanted))
    if not names:
        parser.error(f"no mutants of {', '.join(arguments.modules)}")
    chosen = random.Random(arguments.seed).sample(names, min(arguments.sample, len(names)))
    _try(chosen)
    results = _results()
    _report({name: results[name] for name in chosen}, len(names))
    return 0


def _try(names: list[str]) -> None:
    command = [MUTMUT, "run", "--max-children", "2", *names]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stdout[-5000:])


def _results() -> dict[str, int | None]:
    """The exit code of the tests for every mutant, None where it was not tried."""
    files = (ROOT / "mutants" / "src").rglob("*.meta")
    return {name: code for file in files for name, code in json.loads(file.read_text())["exit_code_by_key"].items()}


def _report(results: dict[str, int | None], of: int) -> None:
    tried = {name: code for name, code in sorted(results.items()) if code is not None}
    by_module: defaultdict[str, list[int]] = defaultdict(list)
    for name, code in tried.items():
        by_module[name.rpartition(".")[0]].append(code)
        if code in UNNOTICED:
            print(f"{UNNOTICED[code]:8}  {name}")
    for module, codes in sorted(by_module.items()):
        print(_score(codes), module)
    print(_score(list(tried.values())), f"sampled from {of:,} mutants")


def _score(codes: list[int]) -> str:
    noticed = sum(code not in UNNOTICED for code in codes)
    late = noticed - sum(code in FAILED for code in codes)
    share = 100 * noticed / max(1, len(codes))
    return f"{share:5.1f} %  {noticed:4} of {len(codes):4}, {late} of these by taking too long "


if __name__ == "__main__":
    sys.exit(main())
