"""Plays a story against the real command line, under load: `shipway demo`."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from shipway.core.errors import ShipwayError, UsageError
from shipway.demo.bundle_scenes import BundleScenes
from shipway.demo.commands import ShipwayCommand
from shipway.demo.exchange import Failed
from shipway.demo.leftovers import Leftover, leftovers, sign
from shipway.demo.promises import check_fleet, check_replay, check_step, rollback_seconds, swap_seconds
from shipway.demo.question import ask_once, read_question
from shipway.demo.report import Result, Screen, StepResult, print_json
from shipway.demo.sandbox import Stage
from shipway.demo.steered_load import Progress, SteeredLoad
from shipway.demo.story import STORY, Months, Story, StoryStep, read_story

ROLLED_BACK = 4
_ENDINGS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
SIGHT_TIMEOUT = 60.0
REQUESTS_BETWEEN = 100
"""Requests that a step still sends after its change is through, so that late damage shows in the step that did it."""
Answer = Mapping[str, Any]


def main(*, as_json: bool = False, keep: bool = False, folder: Path | None = None) -> int:
    """Play the story of the checkout that `folder` (default: the current one) lies in.

    0 when every promise was kept, 1 otherwise. Raises UsageError when there is no story or it is malformed. With
    `keep` everything is left running; without it everything is stopped and removed, whatever happens.
    """
    checkout = _checkout(folder or Path.cwd())
    story = read_story(checkout)
    screen = Screen(as_json=as_json)
    for left in leftovers():
        if not left.kept:
            screen.say(f"{_left(left)}  Stop and remove it: shipway demo --clear")
    before = {number: signal.signal(number, _interrupt) for number in _ENDINGS}
    stage = Stage.make()
    player = Player(checkout, story, stage, screen)
    leave = keep
    try:
        return _perform(player, stage, screen, as_json=as_json, keep=keep)
    except KeyboardInterrupt:
        leave = False
        screen.say("", "interrupted; cleaning up")
        return 130
    finally:
        # Taking down is not interrupted: what is left behind would go on running unseen.
        _ignore_endings()
        player.end()
        if leave:
            sign(stage.folder, kept=True)
        else:
            _clear(stage, screen)
        for number, handler in before.items():
            signal.signal(number, handler)


def _perform(player: Player, stage: Stage, screen: Screen, *, as_json: bool, keep: bool) -> int:
    try:
        result = player.play()
    except ShipwayError as error:
        player.result.broken.append(error.what)
        screen.say(*(f"✘ {line}" for line in player.result.broken), *filter(None, (error.state, error.fix)))
        if as_json:
            print_json(player.result)
        if keep:
            screen.say(f"left as it is: cd {stage.app}")
        return 1
    if as_json:
        print_json(result)
    else:
        screen.say("", *result.table(), "")
    screen.say(*(f"✘ {line}" for line in result.broken))
    waits = not keep and not as_json and sys.stdin.isatty() and sys.stdout.isatty()
    screen.say(*player.addresses(stays=keep or waits))
    if keep:
        screen.say(f"  cd {stage.app} && shipway status", "At the end: shipway demo --clear")
    if waits:
        screen.say("Everything is still running. Press Enter to stop it and to remove the folder.")
        sys.stdin.readline()
    return 1 if result.broken else 0


def clear(*, as_json: bool = False) -> int:
    """Stop and remove what earlier demos left, those that were kept included; 0 also when there is nothing."""
    screen = Screen(as_json=as_json)
    found = list(leftovers())
    for left in found:
        screen.say(_left(left))
        _clear(Stage(left.folder), screen)
        screen.say(f"✔ stopped and removed {left.folder}")
    if as_json:
        sys.stdout.write(json.dumps({"removed": [str(left.folder) for left in found]}) + "\n")
    elif not found:
        screen.say("– no earlier demo left anything")
    return 0


class Player:
    """One performance, from the empty folder to the table."""

    def __init__(self, checkout: Path, story: Story, stage: Stage, screen: Screen) -> None:
        self._checkout = checkout
        self._story = story
        self._stage = stage
        self._screen = screen
        self._load: SteeredLoad | None = None
        self._bundles: BundleScenes | None = None
        self._answers: dict[str, Answer] = {}
        self._serves = ""
        self.result = Result()

    def play(self) -> Result:
        """The whole story. Raises ShipwayError when it cannot go on."""
        story, screen = self._story, self._screen
        screen.say(story.title, f"  in {self._stage.folder}, with ports of its own")
        self._timed("set up", self._set_up)
        for step in story.steps:
            screen.say("", f"{step.name}", f"  {step.tell}")
            self._timed(step.name, partial(self._play_step, step))
        assert self._load is not None
        if self._bundles is not None:
            self._bundles.see_out()
            self._bundles.fleet.end()
        self._settle_accounts(self._load.stop())
        if story.replay is not None:
            months = story.replay
            screen.say("", f"{months.name}", f"  {months.tell}")
            self._timed(months.name, partial(self._replay, months))
        return self.result

    def end(self) -> None:
        """End the load and the devices' calls, if they go on."""
        if self._bundles is not None:
            self._bundles.fleet.end()
        if self._load is not None:
            self._load.kill()

    def addresses(self, *, stays: bool) -> list[str]:
        """Where the environments answer, and a request to try."""
        stage, story = self._stage, self._story
        question = story.question
        data = f" -H 'content-type: application/json' -d '{json.dumps(question.bodies[0])}'" if question.bodies else ""
        lines = ["Try:" if stays else "These were the addresses (`shipway demo --keep` leaves them up):"]
        lines += [f"  {name:6} {stage.url(name)}" for name in stage.description["environments"]]
        lines.append(f"  curl -i {stage.url(story.environment)}{question.path}{data}")
        return lines

    # -- the steps -----------------------------------------------------------------------------------------------

    def _set_up(self) -> None:
        stage, story = self._stage, self._story
        older = stage.copy_app(self._checkout, story)
        if older is not None:
            self._screen.say(f"  the app was changed where the story changes it: plays on its commit {older[:10]}")
        training = story.training
        if training is not None:
            self._screen.say(f"  trains {', '.join(training.versions)} …")
            stage.train(self._checkout, training)
        self._screen.say("  $ shipway up --detach")
        stage.start()
        if training is not None:
            for version in training.versions:
                stage.shipway("model", "publish", str(stage.models / version), "--version", version).answer()
            first = next(iter(training.versions))
            stage.shipway("model", "promote", first, "--yes", "--why", "the first model").answer()

    def _play_step(self, step: StoryStep) -> None:
        if self._load is not None:
            self._load.mark(step.name)
        if self._bundles is not None:
            self._bundles.fleet.step = step.name
            if step.bundle or step.rollback:
                self._bundles.see_out()
        answer = self._answers[step.name] = self._carry_out(step)
        if self._load is None:
            self._open_doors(step)
        if self._bundles is not None and not step.rollback:
            self._bundles.begin(answer["release"], waits=step.bundle == "out")
        self._see_what_serves(step)
        self._see_bundles(step, answer)
        if step.patch and step.is_reverted:
            self._stage.revert()
            self._screen.say("  takes the commit back: git revert HEAD")

    def _carry_out(self, step: StoryStep) -> Answer:
        if step.model:
            return self._promote_model(step.model)
        return self._roll_back(step) if step.rollback else self._deploy(step)

    def _open_doors(self, step: StoryStep) -> None:
        """Something serves: clients and devices begin to ask."""
        story, stage = self._story, self._stage
        url = stage.url(story.environment)
        self._load = SteeredLoad(url, story.question, story.load, stage.folder, step.name, self._show_load)
        if story.fleet is not None:
            self._bundles = BundleScenes(stage, story.environment, story.fleet, self._screen, step.name)

    def _see_bundles(self, step: StoryStep, answer: Answer) -> None:
        if self._bundles is None:
            return
        if step.bundle == "back":
            self.result.broken += self._bundles.see_back(step, self.result.steps[-1])
        elif step.rollback:
            self._bundles.see_back_with(answer["release"])

    def _roll_back(self, step: StoryStep) -> Answer:
        if self._bundles is not None:
            self._bundles.see_on_its_way()
        why = f"demo: {step.name}"
        return self._follow("rollback", "--env", self._story.environment, "--yes", "--why", why).answer()

    def _deploy(self, step: StoryStep) -> Answer:
        if step.patch and step.commit:
            self._stage.apply(self._checkout / "demo" / step.patch, step.commit)
        waiting = self._follow("deploy").answer()
        run = waiting["run"]
        if run["status"] != "waiting":
            raise ShipwayError(f"run {run['id']} did not wait for an approval: {run['status']} {run['reason']}")
        pid = int(self._stage.shipway("status").answer()["pid"]) if step.kill_daemon else 0
        approving = self._follow("approve", run["id"], "--yes", "--why", f"demo: {step.name}")
        if step.kill_daemon:
            self._kill_daemon(pid, run["release"])
        answer = approving.answer(ROLLED_BACK)
        self._expect(step, answer["run"]["status"])
        return answer

    def _replay(self, months: Months) -> None:
        """Without the steady load, whose few questions are not those of the months."""
        # A look would make it, too: beside the first month it takes no time.
        normal = self._follow("monitor", "baseline", self._story.environment)
        words = ("replay", "--from", months.begin, "--to", months.end, "--sample", months.sample, "--yes")
        self._screen.say(f"  $ {shlex.join(['shipway', *words])}")
        played = self._stage.shipway(*words, tell=lambda line: self._screen.say(f"    {line}")).answer(1)
        normal.answer()
        if "months" not in played:
            raise ShipwayError(f"{months.name}: {played['error']['what']}")
        result = self.result.steps[-1]
        result.sent, result.failed = played["requests"] + played["outcomes"], played["failed"]
        self.result.broken += check_replay(months, played)

    def _promote_model(self, version: str) -> Answer:
        return self._follow("model", "promote", version, "--yes", "--why", "demo").answer()

    def _kill_daemon(self, pid: int, release: str) -> None:
        assert self._load is not None
        self._load.wait_for(
            f"the first answer of {release}", lambda seen: release in seen["releases"], timeout=SIGHT_TIMEOUT
        )
        os.kill(pid, signal.SIGKILL)
        self._screen.say(f"  kill -9 {pid}: the daemon is gone in the middle of the rollout; clients go on")
        self._wait_for_requests(REQUESTS_BETWEEN)
        self._screen.say("  $ shipway up --detach")
        self._stage.shipway("up", "--detach").answer()

    # -- looking -------------------------------------------------------------------------------------------------

    def _see_what_serves(self, step: StoryStep) -> None:
        """Wait until all answers are what the step left behind, then go on asking for a while."""
        assert self._load is not None
        answer = self._answers[step.name]
        final = self._serves
        if step.bundle != "back":
            # Where the app alone changes, nothing is rolled out.
            rollout = _rollout(answer, self._story.environment)
            final = self._serves = rollout["release" if answer["run"]["status"] == "succeeded" else "previous"]
        version = answer["release"]["model_version"]

        def settled(seen: Progress) -> bool:
            return set(seen["releases"]) == {final} and set(seen["versions"]) <= {version}

        self._load.wait_for(f"answers from {final} alone", settled, timeout=SIGHT_TIMEOUT)
        self._wait_for_requests(REQUESTS_BETWEEN)
        self._screen.say(f"  ✔ every answer comes from {final}" + (f", model {version}" if version else ""))
        if step.shows and step.ends == "promoted":
            self._check_answer(step)

    def _check_answer(self, step: StoryStep) -> None:
        question = read_question({**self._story.request, "expect": step.shows})
        try:
            answer = asyncio.run(ask_once(self._stage.url(self._story.environment), question))
        except Failed as failed:
            self.result.broken.append(f"{step.name}: the answer does not show it: {failed.detail}")
        else:
            shown = ", ".join(f"{name}: {answer[name]!r}" for name in step.shows)
            self._screen.say(f"  ✔ answers show it: {shown}")

    def _wait_for_requests(self, count: int) -> None:
        assert self._load is not None
        wanted = self._load.progress["sent"] + count
        timeout = SIGHT_TIMEOUT + count / self._story.load.rate
        self._load.wait_for(f"{count} more requests", lambda seen: seen["sent"] >= wanted, timeout)

    def _expect(self, step: StoryStep, status: str) -> None:
        wanted = "succeeded" if step.ends == "promoted" else "rolled_back"
        if status != wanted:
            self.result.broken.append(f"{step.name}: the run ended {status}, expected {wanted}")

    def _settle_accounts(self, summary: Mapping[str, Any]) -> None:
        counted = {part["name"]: part for part in summary["steps"]}
        for step in self._story.steps:
            result = next(r for r in self.result.steps if r.name == step.name)
            part, answer = counted[step.name], self._answers[step.name]
            result.sent, result.failed = part["sent"], part["failed"]
            self._count_devices(result)
            rollout = {} if step.bundle == "back" else _rollout(answer, self._story.environment)
            if step.candidate_may_fail:
                result.rollback_seconds = rollback_seconds(part, rollout["release"])
            if step.model:
                result.swap_seconds = swap_seconds(part, step.model, rollout["started"])
            self.result.broken += check_step(step, part, rollout, self._story.load.devices)

    def _count_devices(self, result: StepResult) -> None:
        if self._bundles is None:
            return
        fleet, step = self._bundles.fleet, result.name
        sent, failed = fleet.sent[step], fleet.failed[step]
        result.sent, result.failed = result.sent + sent, result.failed + failed
        self.result.broken += check_fleet(step, sent, failed, fleet.examples.get(step, ""))

    def _follow(self, *words: str) -> ShipwayCommand:
        """A command whose progress is shown as it comes."""
        self._screen.say(f"  $ {shlex.join(['shipway', *words])}")
        return self._stage.shipway(*words, tell=self._show)

    def _show(self, line: str) -> None:
        """Results and environments stay on the screen; notes are shown until the next line comes."""
        text = line.strip()
        if text.startswith(("✔", "✘", "‖")) or text in self._stage.description["environments"]:
            self._screen.say(f"    {line.rstrip()}")
        elif text.startswith("·"):
            self._screen.live(f"    {line.rstrip()}")

    def _show_load(self, seen: Progress) -> None:
        total = sum(seen["releases"].values()) or 1
        shares = "  ".join(f"{name or '?'} {100 * n / total:.0f} %" for name, n in sorted(seen["releases"].items()))
        self._screen.live(f"    {seen['sent']:,} requests, {seen['failed']:,} failed   {shares}")

    def _timed(self, name: str, step: Callable[[], None]) -> None:
        began = time.monotonic()
        result = StepResult(name)
        self.result.steps.append(result)
        try:
            step()
        finally:
            result.seconds = time.monotonic() - began


def _rollout(answer: Answer, environment: str) -> Answer:
    """The run's rollout in the environment. Raises ShipwayError when it never came so far."""
    found = [rollout for rollout in answer["rollouts"] if rollout["environment"] == environment]
    if not found:
        run = answer["run"]
        raise ShipwayError(f"run {run['id']} never came to {environment}: {run['status']} {run['reason']}")
    return dict(found[-1])


def _checkout(folder: Path) -> Path:
    for candidate in (folder.resolve(), *folder.resolve().parents):
        if (candidate / STORY).is_file():
            return candidate
    raise UsageError(f"no {STORY} in {folder} nor above it", fix="run it in a checkout of Shipway")


def _left(left: Leftover) -> str:
    why = "was kept" if left.kept else "was killed before it could clean up"
    return f"an earlier demo {why}: {left.folder}, {left.running} processes run in it."


def _clear(stage: Stage, screen: Screen) -> None:
    screen.say(*(f"✘ still ran after `shipway down`, killed: {line}" for line in stage.clear()))


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    # Once is enough: a closed terminal's signal comes twice where `make` passes it on.
    _ignore_endings()
    raise KeyboardInterrupt


def _ignore_endings() -> None:
    for number in _ENDINGS:
        signal.signal(number, signal.SIG_IGN)
