"""`python tests/fuzz_models.py FIRST LAST` (README.md says with which path) draws models, publishes and judges them."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from test_any_model import judged


def main(first: int, last: int) -> int:
    """Exit status 1 if any model is served otherwise than its library answers."""
    wrong = 0
    for seed in range(first, last):
        with tempfile.TemporaryDirectory() as folder:
            said = judged(seed, Path(folder))
        wrong += "WRONG" in said
        print(seed, said.replace("\n", " | "), flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
