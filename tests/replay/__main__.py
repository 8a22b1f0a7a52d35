"""`make replay`: the example's second half of 2013 in a throwaway folder, the daemon killed on the way; and what must hold.

`python -m tests.replay --sample 10% --kills 3`. Ends with 1 when something did not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shipway.demo.sandbox import Stage, daemon_of
from shipway.demo.story import Training, read_story
from tests.waiting import wait_for

CHECKOUT = Path(__file__).parents[2]
ENVIRONMENT = "prod"
MOST_MINUTES = 25.0
"""A month took 142 to 157 s to send on two cores: six, their looks and trainings take about 18 minutes."""
DRIFTS = ("2013-07", "2013-09", "2013-10", "2013-11", "2013-12")
QUIET = ("2013-08",)
"""What the months are by the data (the monitor's triggers of shipway.yaml)."""
BOUNDS = {"2013-07": 0.76}
"""The least AUC of a month, through the whole stack."""
TIMEOUT = 7200.0
HALF_A_YEAR = 6
PROBATION = 180.0
"""Seconds after the last label in which it is decided."""
V1 = "{python} -m training --output {output} --author replay"
ONE_BLOCK = {"rounds": 200, "block": 200}


def main() -> int:
    """Play, then say what did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.replay", description=__doc__)
    parser.add_argument("--from", dest="begin", default="2013-07")
    parser.add_argument("--to", dest="end", default="2013-12")
    parser.add_argument("--sample", default="100%")
    parser.add_argument("--kills", type=int, default=3, help="how often the daemon gets kill -9 on the way")
    parser.add_argument("--months", type=int, help="trained on, instead of all there are: 6 makes November's promotion")
    parser.add_argument("--min-rows", type=int, help="of a window, where a sample has few")
    parser.add_argument("--keep", action="store_true", help="leave everything running")
    given = parser.parse_args()
    stage = Stage.make()
    print(f"in {stage.folder}", flush=True)
    try:
        _set_up(stage, given)
        began = time.monotonic()
        found = _play(stage, given)
        minutes = (time.monotonic() - began) / 60
        print(json.dumps({key: value for key, value in found.items() if key != "months"}), flush=True)
        for month in found["months"]:
            print(json.dumps(month), flush=True)
        print(f"{minutes:.1f} minutes, {found['kills']} times kill -9 of the daemon")
        broken = _broken(found, minutes) + (_not_taken_back(stage, found) if given.months == HALF_A_YEAR else [])
        for line in broken:
            print(f"✘ {line}")
        return 1 if broken else 0
    finally:
        if not given.keep:
            stage.clear()


def _set_up(stage: Stage, given: argparse.Namespace) -> None:
    story = read_story(CHECKOUT)
    # The first drift starts its training by itself; the cooldown leaves the others to the replay.
    monitor = {"retrain": True} | ({"min_rows": given.min_rows} if given.min_rows else {})
    # A month takes minutes here, so a promotion is looked at as often as that asks for.
    training: dict[str, Any] = {"months": given.months, "probation": {"every": "20s"}}
    if given.months == HALF_A_YEAR:
        # Of trees in one block: November's difference is -0.0040 [-0.0075, -0.0005] by day. With other seeds, as blocks
        # of 50 have, it is -0.0031 [-0.0069, +0.0005], and the gate says no.
        training["parameters"] = ONE_BLOCK
    settings = dict(story.settings) | {"model": {"monitor": monitor, "training": training}}
    story = story.model_copy(update={"settings": settings})
    assert story.training is not None
    stage.copy_app(CHECKOUT, story)
    first = V1 + (" --block 200" if given.months == HALF_A_YEAR else "")
    stage.train(CHECKOUT, Training(folder=story.training.folder, lock=story.training.lock, versions={"v1.0": first}))
    stage.start()
    stage.shipway("model", "publish", str(stage.models / "v1.0"), "--version", "v1.0").answer()
    stage.shipway("model", "promote", "v1.0", "--yes", "--why", "the first model").answer()
    run = stage.shipway("deploy").answer()["run"]
    stage.shipway("approve", run["id"], "--yes", "--why", "replay").answer()


def _play(stage: Stage, given: argparse.Namespace) -> dict[str, Any]:
    words = ["replay", "--from", given.begin, "--to", given.end, "--sample", given.sample, "--yes"]
    kills = Kills(stage, given.kills)
    command = stage.shipway(*words, tell=kills.tell)
    code, found = command.ended(TIMEOUT)
    if code not in (0, 1) or "months" not in found:
        raise SystemExit(f"shipway replay ended with {code}: {found}")
    return found | {"kills": kills.done}


class Kills:
    """Kills the daemon where it hurts, and starts the next: while a month is sent, looked at, and trained for."""

    MOMENTS = ("requests, 0 failed", "$ shipway monitor run", "$ shipway train")

    def __init__(self, stage: Stage, count: int) -> None:
        self._stage = stage
        self._left = list(self.MOMENTS[:count])
        self.done = 0

    def tell(self, line: str) -> None:
        """A line of the replay."""
        print(f"  {time.strftime('%H:%M:%S')} {line}", flush=True)
        moment = next((moment for moment in self._left if moment in line), None)
        if moment is not None:
            self._left.remove(moment)
            threading.Thread(target=self._kill).start()

    def _kill(self) -> None:
        daemon = daemon_of(self._stage.app)
        pid = daemon.process()
        if pid:
            os.kill(pid, signal.SIGKILL)
            self.done += 1
            print(f"  kill -9 {pid}", flush=True)
            daemon.wait_until_gone()
            self._stage.shipway("up", "--detach").answer()


def _broken(found: Mapping[str, Any], minutes: float) -> list[str]:
    """What was to hold and did not."""
    broken = [f"{found['failed']} of {found['requests']:,} requests failed"] if found["failed"] else []
    if minutes > MOST_MINUTES:
        broken.append(f"{minutes:.1f} minutes; {MOST_MINUTES:g} are allowed")
    for month in found["months"]:
        name = month["month"]
        wanted = "drift" if name in DRIFTS else "quiet" if name in QUIET else None
        if wanted is not None and month["verdict"] != wanted:
            broken.append(f"{name}: {month['verdict']} instead of {wanted}: {month['reason']}")
        if name in BOUNDS and (month["auc"] or 0) < BOUNDS[name]:
            broken.append(f"{name}: AUC {month['auc']}, below {BOUNDS[name]}")
    return broken


def _not_taken_back(stage: Stage, found: Mapping[str, Any]) -> list[str]:
    """Of six months' models, November's wins its gate and loses December: it is promoted, and does not stay."""
    months = {month["month"]: month for month in found["months"]}
    november, december = months.get("2013-11"), months.get("2013-12")
    if november is None or december is None:
        return []
    if november["decision"] != "promote" or not november["promoted"]:
        return [f"2013-11: {november['decision']}: {november['decided']}; promoted: {november['promoted']}"]
    try:
        wait_for(lambda: _serving(stage) != november["version"], seconds=PROBATION)
    except AssertionError:
        return [f"2013-12: {november['version']} still serves"]
    print(f"{november['version']} was taken back: {_serving(stage)} serves", flush=True)
    return []


def _serving(stage: Stage) -> str:
    """The model version that serves."""
    environments = stage.shipway("status").answer()["environments"]
    return next(str(one["model_version"]) for one in environments if one["name"] == ENVIRONMENT)


if __name__ == "__main__":
    sys.exit(main())
