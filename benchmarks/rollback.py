"""From a bad candidate's first bad answer until nobody meets it any more."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.clients import clients, wait_for_requests
from benchmarks.figures import Effort, Figure, Tell
from benchmarks.throwaway import ROLLED_BACK, hello
from shipway.core.errors import ShipwayError
from shipway.demo.promises import rollback_seconds
from shipway.demo.question import Question

RATE = 200.0
FAILING = 0.5
BUDGET = 2.0
_SHARES = (5, 10, 50)
_TIMES = {"quick": 2, "normal": 5, "full": 15}


def measure(effort: Effort, tell: Tell) -> Iterator[Figure]:
    """A candidate that fails half of its requests, met by 5, 10 and 50 % of the devices at 200 requests a second."""
    with hello() as app:
        for share in _SHARES:
            taken: list[float] = []
            hurt: list[float] = []
            strangers = 0
            # A client process for each share: cohorts are judged over one sequence of rollouts.
            with clients(app.url, Question("/"), RATE, app.stage.folder) as load:
                candidates = []
                for turn in range(_TIMES[effort]):
                    load.mark(f"{share} % {turn}")
                    app.commit({"strategy": "canary", "steps": [share], "step_wait": 5, "bake": 1}, failing=FAILING)
                    answer = app.deploy(ROLLED_BACK)
                    if answer["run"]["status"] != "rolled_back":
                        raise ShipwayError(f"a candidate that fails half ended {answer['run']['status']}")
                    candidates.append(answer["release"]["id"])
                    wait_for_requests(load, 40)
                summary = load.stop()
            for step, candidate in zip(summary["steps"][1:], candidates, strict=True):
                seconds = rollback_seconds(step, candidate)
                assert seconds is not None
                taken.append(seconds)
                bad = step["releases"][candidate]["failed"]
                hurt.append(bad)
                strangers += step["failed"] - bad
            tell(f"{share} %: {', '.join(f'{seconds:.2f} s' for seconds in taken)}; {strangers} failed elsewhere")
            yield Figure(f"to 100 % on stable, canary at {share} %", tuple(taken), "s", BUDGET, "worst")
            yield Figure(f"requests the candidate failed, at {share} %", tuple(hurt), "failed")
            yield Figure(f"requests anyone else failed, at {share} %", (strangers,), "failed", 0)
