"""Prints how often the gate promotes a model that is no better than the champion; exit code 1 above 5 %.

54 models: of six windows of half a year, nine of other seeds each, which are equal but for luck. Each pair of a window is
a gate on the month after it: 36 pairs in 6 months are 216 gates. The gate is the one of `shipway train`, with default
limits; latency is taken as equal. About 6 minutes of CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from shipway.core.description.training import ModelGate
from shipway.core.training.champion import judge
from shipway.core.training.evidence import evidence
from shipway.local.builds.python_environment import PythonEnvironments

ROOT = Path(__file__).parents[2]
MOST = 0.05


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.null_gates", description=__doc__)
    parser.add_argument("--first", type=int, default=7, help="first tested month, 7 to 12")
    parser.add_argument("--last", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=9, help="models of a window")
    parser.add_argument("--rounds", type=int, default=100, help="trees of a model")
    parser.add_argument(
        "--first-seed", type=int, default=0, help="9: none of the models that min_improvement was chosen by"
    )
    asked = parser.parse_args()
    if not 7 <= asked.first <= asked.last <= 12 or asked.seeds < 2:
        parser.error("months from 7 to 12, and two models at least")

    gate = ModelGate()
    verdicts: dict[str, Counter[str]] = {}
    for line in gates(asked.first, asked.last, asked.seeds, asked.rounds, asked.first_seed):
        found = json.loads(line)
        decision = judge(gate, evidence(found["evaluation"], {"ratio": 1.0}, {}))
        verdicts.setdefault(found["month"], Counter())[decision.kind] += 1
    for month, kinds in verdicts.items():
        print(f"{month}: {', '.join(f'{kind} {count}' for kind, count in sorted(kinds.items()))}")
    total = sum(verdicts.values(), Counter())
    rate = total["promote"] / total.total()
    print(f"promoted {total['promote']} of {total.total()} equal models: {rate:.1%}, allowed {MOST:.0%}")
    return 0 if rate <= MOST else 1


def gates(*asked: int) -> list[str]:
    """A line of figures for each gate. Raises CalledProcessError when the models cannot be made."""
    environments = PythonEnvironments(ROOT / ".venv" / "parts")
    lock = (ROOT / "training" / "requirements.lock").read_bytes()
    made = environments.ensure(lock, "training", lambda line: print(line, file=sys.stderr, flush=True))
    variables = environments.variables(made.path, str(ROOT / "training"))
    threads = dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS"), "1")
    command = [f"{made.path}/bin/python", str(Path(__file__).with_name("models.py")), *map(str, asked)]
    done = subprocess.run(
        command, env={**os.environ, **variables, **threads}, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.splitlines()


if __name__ == "__main__":
    sys.exit(main())
