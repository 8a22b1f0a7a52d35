"""Model versions swapped back and forth in running tasks, while clients ask."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.clients import clients, wait_for_requests
from benchmarks.figures import Effort, Figure, Tell
from benchmarks.throwaway import ontime
from benchmarks.whole_answers import WholeAnswers
from shipway.demo.promises import swap_seconds

RATE = 100.0
BUDGET = 1.0
_SWAPS = {"quick": 4, "normal": 20, "full": 100}
_VERSIONS = {"v1.0": 40, "v1.1": 80}


def measure(effort: Effort, tell: Tell) -> Iterator[Figure]:
    """Ontime's prod: three model services behind three backends; clients ask the backends."""
    with ontime(_VERSIONS) as (stage, story):
        run = stage.shipway("deploy").answer()["run"]
        stage.shipway("approve", run["id"], "--yes", "--why", "benchmark").answer()
        whole = WholeAnswers(stage.url("prod"), stage.models / "v1.0" / "metadata.json")
        whole.learn("v1.0")
        for version in ("v1.1", "v1.0"):
            stage.shipway("model", "promote", version, "--env", "prod", "--yes", "--why", "benchmark").answer()
            whole.learn(version)
        tell("prod serves; swapping")
        whole.start()
        swaps: list[tuple[str, float, float]] = []
        with clients(stage.url("prod"), story.question, RATE, stage.folder) as load:
            wait_for_requests(load, 100)
            for number in range(_SWAPS[effort]):
                version = list(_VERSIONS)[(number + 1) % 2]
                load.mark(f"swap {number}")
                answer = stage.shipway(
                    "model", "promote", version, "--env", "prod", "--yes", "--why", "benchmark"
                ).answer()
                (rollout,) = answer["rollouts"]
                swaps.append((version, rollout["started"], rollout["ended"] - rollout["started"]))
                wait_for_requests(load, 50)
            summary = load.stop()
        whole.stop()
    seen = [
        swap_seconds(step, version, started)
        for step, (version, started, _) in zip(summary["steps"][-len(swaps) :], swaps, strict=True)
    ]
    for failure in summary["failures"][:10]:
        tell(f"failed: {failure}")
    confirmed = tuple(seconds for _, _, seconds in swaps)
    yield Figure("until no client gets the old version", tuple(s for s in seen if s is not None), "s", BUDGET, "worst")
    yield Figure("until every task says the new one, read back", confirmed, "s", BUDGET, "worst")
    note = f"{summary['sent']:,} requests, {RATE:g}/s"
    yield Figure(f"failed in {len(swaps)} swaps", (summary["failed"],), "failed", 0, note=note)
    note = f"{whole.asked:,} requests of 400 rows, straight to the model services"
    yield Figure("failed, many rows at once", (whole.failed,), "failed", 0, note=note)
    yield Figure("answers made by two versions", (whole.mixed,), "mixed", 0, note=whole.first_trouble)
