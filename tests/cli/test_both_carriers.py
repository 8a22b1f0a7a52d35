"""Every command over each desk and each carrier: through a daemon's socket, and within the process, also over AWS.

A command never asks which of them it is. What only a daemon has is asked for in `DAEMONS`.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import uvicorn

from shipway import wiring
from shipway.cli.group import Group
from shipway.cli.main import run as shipway
from shipway.cli.main import shipway as program
from shipway.core.apps.crashes import Crash, Crashes, Vital
from shipway.core.contract.bundles import BundleCounts, Running, Told
from shipway.core.description.app import App
from shipway.core.monitoring.watch import Seen, Violation
from shipway.local.daemon import LocalDaemon
from shipway.local.places import places_of
from shipway.server.http import make_api
from shipway.server.peer import PeerProtocol
from tests.cli.worlds import OnAws, OnMachine
from tests.doubles import memory
from tests.doubles.platform import platform_over
from tests.doubles.training import evaluation
from tests.pipeline.house import DESCRIPTION, PHONE, House
from tests.waiting import wait_for

DAEMONS = {"up", "down", "reload", "repair", "prune"}
NO_DESK = {"validate", "doctor", "demo", "replay", "infra init", "infra plan", "infra apply", "infra destroy"}
Json = dict[str, Any]


class CommandLine:
    """Runs commands in the app of a world."""

    def __init__(self, world: Any, capture: pytest.CaptureFixture[str]) -> None:
        self.world = world
        self._capture = capture

    def text(self, typed: str, *, code: int = 0) -> str:
        """What a command prints, once it has ended with this code."""
        self._capture.readouterr()
        ended = shipway(typed.split())
        said = self._capture.readouterr()
        assert code == ended, said.err
        return said.out if code == 0 else said.err

    def json(self, typed: str) -> Any:
        """The object that it prints with `--json`."""
        return json.loads(self.text(f"{typed} --json"))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The app's folder, which is the current one."""
    root = tmp_path.resolve()
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def house(root: Path) -> Iterator[House]:
    """An app on this machine."""
    house = House(root)
    yield house
    house.target.hold.set()
    house.close()


@pytest.fixture(params=["socket", "process", "aws"])
def cli(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[CommandLine]:
    """The command line over each of the desks and carriers."""
    if request.param == "aws":
        yield from over_aws(request.getfixturevalue("root"), monkeypatch, capsys)
        return
    house = request.getfixturevalue("house")
    platform = platform_over(house)
    world = OnMachine(house)
    if request.param == "process":
        monkeypatch.setitem(wiring.TARGETS, "memory", "tests.doubles.memory")
        monkeypatch.setenv("SHIPWAY_TARGET", "memory")
        monkeypatch.setitem(memory.HOUSES, house.root, house)
        yield CommandLine(world, capsys)
        return
    daemon = LocalDaemon(places_of(house.root, os.getuid()), [])
    config = uvicorn.Config(make_api(platform, lambda: None), http=PeerProtocol, lifespan="off", log_level="warning")
    server = uvicorn.Server(config)
    listener = socket.socket(fileno=daemon.listen())
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield CommandLine(world, capsys)
    finally:
        server.should_exit = True
        thread.join(20)
        daemon.forget()


on_machine = pytest.mark.parametrize("cli", ["socket", "process"], indirect=True)
"""For what the desk over AWS does otherwise, or not yet: it has tests of its own."""


def over_aws(root: Path, monkeypatch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> Iterator[CommandLine]:
    """AWS's own target, in an account that is a double."""
    monkeypatch.setitem(wiring.TARGETS, "double", "tests.doubles.aws.target")
    monkeypatch.setenv("SHIPWAY_TARGET", "double")
    world = OnAws(root, monkeypatch)
    try:
        yield CommandLine(world, capture)
    finally:
        world.close()


def test_status(cli: CommandLine) -> None:
    """What serves where."""
    prod = next(one for one in cli.json("status")["environments"] if one["name"] == "prod")
    assert ("r1", "c1", 2) == (prod["release"], prod["commit"], prod["services"][0]["ready"])
    assert "prod" in cli.text("status")


def test_a_commit_goes_as_far_as_its_gate_and_is_let_through(cli: CommandLine) -> None:
    """Followed to the gate; approved, it goes on to the end."""
    said = cli.text("deploy c2")
    second = cli.world.run(2)
    assert f'Approve: shipway approve {second} --why "…"' in said
    run = cli.json(f"run show {second}")["run"]
    assert ("waiting", "prod") == (run["status"], run["gate"]["environment"])
    assert "prod serves r2" in cli.text(f"approve {second} --yes --why fine")
    assert "succeeded" == cli.json(f"run follow {second}")["run"]["status"]
    assert [second, cli.world.run(1)] == [run["id"] for run in cli.json("runs")["runs"]]
    assert [("r2", ["dev", "prod"]), ("r1", [])] == [
        (release["id"], release["serves"]) for release in cli.json("releases")["releases"]
    ]
    assert "fine" in [entry["why"] for entry in cli.json("audit")["entries"]]


def test_what_a_deploy_would_do(cli: CommandLine) -> None:
    """Told in every environment; nothing is begun."""
    said = cli.text("deploy c2 --dry-run")
    assert 'would take c2 "subject of c2" → dev → prod' in said
    assert "asks lead, then blue green over r1: 100 %" in said
    assert "nothing was changed" in said
    steps = cli.json("deploy c2 --env dev --dry-run")["steps"]
    assert [("dev", "r1", None, [])] == [(s["environment"], s["serves"], s["approval"], s["wrong"]) for s in steps]
    assert [cli.world.run(1)] == [run["id"] for run in cli.json("runs")["runs"]]
    assert "no environment 'moon'" in cli.text("deploy --env moon --dry-run", code=2)


def test_what_a_person_refuses(cli: CommandLine) -> None:
    """A rejected run ends, and can be asked for again."""
    cli.text("deploy c2")
    second = cli.world.run(2)
    assert "rejected; nothing was rolled out" in cli.text(f"reject {second} --why friday")
    cli.world.until(second, "rejected")
    again = cli.json(f"retry {second} --detach")["run"]
    assert again["live"]
    cli.world.until(again["id"], "waiting")


def test_a_rollout_is_steered(cli: CommandLine) -> None:
    """Each word reaches it, and is answered with what it does."""
    cli.world.hold()
    run = cli.json("deploy c2 --env dev --detach")["run"]["id"]
    wait_for(lambda: cli.world.under_way("dev"))
    for typed in ("pause --env dev", "resume --env dev", "abort --env dev --yes"):
        assert ("r2", run) == ((rollout := cli.json(typed)["rollout"])["release"], rollout["run"])
    assert "dev" in cli.text("promote --env dev --now --yes", code=3)
    cli.world.let_go()
    cli.world.until(run, "rolled_back")


def test_the_way_back(cli: CommandLine) -> None:
    """To the release before; where there is none, that is refused."""
    assert "has no release before it" in cli.text("rollback --env dev --yes", code=3)
    cli.text("deploy c2 --env dev")
    assert "dev serves r1" in cli.text("rollback --env dev --yes")


def test_logs(cli: CommandLine) -> None:
    """Of tasks and of builds; a name that nothing has is usage."""
    cli.world.write("prod", "r1", ["hello", "world"])
    assert ["world"] == [line["line"] for line in cli.json("logs r1 --env prod -n 1")["lines"]]
    assert [] == cli.json(f"logs --build {cli.world.run(1)}")["lines"]
    assert "no environment 'moon'; there are: dev, prod" in cli.text("logs --env moon", code=2)


def test_versions_of_the_model(cli: CommandLine) -> None:
    """What there is, and what becomes of it."""
    assert "v1.1" in [model["version"] for model in cli.json("model list")["models"]]
    assert ["dev", "prod"] == cli.json("model show v1.0")["serves"]
    for typed in ("model approve v1.1", "model reject v1.2", "model archive v1.3"):
        assert cli.json(f"{typed} --why tried")["changed"]
    assert "no model version 'v9.9'" in cli.text("model show v9.9", code=2)
    stays = cli.json("model history --env prod")["stays"]
    assert [("prod", "v1.0")] == [(stay["environment"], stay["version"]) for stay in stays]
    assert "no model served" in cli.text("model history --at 2001-01-01")
    assert "--at: 'soon' is neither" in cli.text("model history --at soon", code=2)


@on_machine
def test_the_way_of_a_version_into_the_bucket_and_out_of_it(cli: CommandLine) -> None:
    """Compared, published, baked in."""
    assert {"a": "v1.0", "b": "v1.1", "rows": 10, "told": ["both answer"]} == cli.json("model compare v1.0 v1.1")
    assert "v7.0" == cli.json("model publish . --version v7.0")["version"]
    assert "hello/models" == cli.json("model bake v1.1")["folder"]


def test_a_model_is_promoted_and_taken_back(cli: CommandLine) -> None:
    """By a run that is followed, or at once, read back: then every environment serves it."""
    for typed in ("model promote v1.1", "model promote v1.2"):
        cli.json(f"{typed} --yes --why better")
    assert ["dev", "prod"] == cli.json("model show v1.2")["serves"]
    cli.json("model rollback --yes --why worse")
    assert ["dev", "prod"] == cli.json("model show v1.1")["serves"]
    prod = next(one for one in cli.json("status")["environments"] if one["name"] == "prod")
    assert "v1.1" == prod["model_version"]


def test_experiments(cli: CommandLine) -> None:
    """Begun, looked at, ended."""
    assert {"v1.1": 10.0} == cli.json("model split v1.1=10% --env prod --yes")["split"]
    assert "v1.2" == cli.json("model shadow v1.2 --percent 50 --env prod --yes")["shadow"]["version"]
    assert {"v1.1": 10.0} == cli.json("model split --env prod")["split"]
    prod = next(one for one in cli.json("status")["environments"] if one["name"] == "prod")
    assert {"v1.1": 10.0} == prod["experiment"]["split"]
    assert {} == cli.json("model split --off --env prod")["split"]
    assert None is cli.json("model shadow --off --env prod")["shadow"]


@on_machine
def test_a_model_s_traffic_is_watched(cli: CommandLine) -> None:
    """Verdicts are exit codes; the newest look can be seen again."""
    assert "shipway monitor baseline dev" in cli.text("monitor run dev", code=3)
    assert "✔ baseline of v1.0 in dev: 1,000 rows" in cli.text("monitor baseline dev")
    assert "quiet" == cli.json("monitor run dev --since 1h")["verdict"]["state"]
    assert "shipway monitor report dev --html dev.html" in cli.text("monitor report dev")
    cli.world.house.monitoring.seen = Seen(1000, 1000, {}, (Violation("late", "baseline_drift_check", "far away"),))
    cli.text("monitor run dev", code=1)
    cli.text("monitor report dev", code=1)
    assert "is not there any more" in cli.text("monitor report dev --html dev.html", code=2)
    cli.world.house.monitoring.seen = Seen(3, 3, {}, ())
    cli.text("monitor run dev --json", code=3)


@on_machine
def test_features(cli: CommandLine) -> None:
    """Records put one by one or from a file, shown, counted, replaced by newer ones only, and deleted."""
    assert "1 online" in cli.text("features put weather airport=JFK at=2020-07-04T11:00:00Z temp=75.5 --env dev")
    file = cli.world.house.root / "records.jsonl"
    lines = [{"airport": id, "at": "2020-07-04T10:00:00Z", "temp": None} for id in ("JFK", "LGA")]
    file.write_text("\n".join(map(json.dumps, lines)))
    put = cli.json(f"features put weather --env dev --from-file {file}")
    assert (1, ["JFK"]) == (put["kept"], put["older"])
    found = cli.json("features get weather JFK LGA EWR --env dev --feature temp")["records"]
    assert [("JFK", {"temp": "75.5"}), ("LGA", {})] == [(record["id"], record["values"]) for record in found]
    assert "EWR: no record online" in cli.text("features get weather JFK EWR --env dev")
    assert [("weather", 2)] == [
        (shown["name"], shown["records"]) for shown in cli.json("features list --env dev")["groups"]
    ]
    assert "weather  2" in cli.text("features list --env dev")
    delete = "features delete weather JFK --env dev --yes --at"
    cli.text(f"{delete} 2020-07-04T11:00:00Z", code=3)
    assert "is deleted" in cli.text(f"{delete} 2020-07-04T11:00:01Z")
    assert [] == cli.json("features get weather JFK --env dev")["records"]
    assert "1 in the history alone" in cli.text("features put weather airport=JFK at=2020-07-04T11:00:00Z --env dev")
    file.write_text("{}\n[]")
    assert "records.jsonl:2: expected an object" in cli.text(
        f"features put weather --env dev --from-file {file}", code=2
    )
    cli.text("features put weather --env dev", code=2)


@on_machine
def test_the_history_of_features(cli: CommandLine) -> None:
    """Rows get what was known at their time; by default nothing that was put afterwards."""
    cli.text("features put weather airport=JFK at=2020-07-04T11:00:00Z temp=75.5 --env dev")
    cli.text("features put weather airport=JFK at=2020-07-04T10:00:00Z temp=70 --env dev")
    rows, output = (cli.world.house.root / name for name in ("rows.csv", "out.csv"))
    rows.write_text("origin,when\nJFK,2020-07-04T10:30:00Z\nJFK,2020-07-04T12:00:00Z\nLGA,2020-07-04T12:00:00Z\n")
    join = f"features join {rows} --env dev --group weather=origin --time when"
    said = cli.text(f"{join} {output} --written any")
    assert "✔ 3 rows: " in said
    assert "weather: known for 2 of them" in said
    assert ["weather.temp", "70", "75.5", ""] == [line.split(",")[-1] for line in output.read_text().splitlines()]
    assert "is there already" in cli.text(f"{join} {output}", code=3)
    other = output.with_name("other.csv")
    assert "records that were put later count with --written any" in cli.text(f"{join} {other}")
    assert {"weather": 2} == cli.json("features compact --env dev")["records"]
    assert "everything is in files already" in cli.text("features compact --env dev")
    assert "no feature group 'tides'" in cli.text(
        f"features join {rows} {output} --env dev --group tides --time when", code=2
    )


@on_machine
def test_bundles_of_an_app(cli: CommandLine) -> None:
    """Out with a release, shown, steered, and taken back."""
    house = cli.world.house
    assert "no `apps:` section" in cli.text("app list", code=2)
    house.app = house.described = App.model_validate(DESCRIPTION | {"apps": {"phone": PHONE}})
    cli.text("deploy c2 --env dev")
    (listed,) = cli.json("app list")["bundles"]
    bundle = listed["bundle"]["version"]
    assert {"dev": "10 % of the devices"} == listed["offered"]
    assert f"{bundle}  c2  " in cli.text("app list")
    house.bundles.counts = Told({bundle: BundleCounts(30, 9)}, {bundle: Running(9, house.parts.clock())})
    assert f"and {bundle} to 10 % of the devices" in cli.text("app show --env dev")
    assert bundle in cli.text("app devices --env dev")
    assert [9] == [one["devices"] for one in cli.json("app devices --env dev")["seen"]]
    assert "no device told of an error" in cli.text("app crashes --env dev")
    crash = Crash(bundle, "TypeError", "x is undefined", "", 7, 3, 1.0, house.parts.clock(), "src/Ask.tsx:12:4")
    house.bundles.errors = Crashes((crash,), (Vital(bundle, "LCP", 1234.5, 9), Vital(bundle, "CLS", 0.01, 9)))
    said = cli.text("app crashes --env dev")
    assert f"{bundle}  x is undefined at src/Ask.tsx:12:4" in said
    assert "TypeError, 7 times on 3 devices, the last" in said
    assert f"{bundle}  LCP 1234 ms, CLS 0.01 (75th percentile)" in said
    assert 7 == cli.json("app crashes --env dev")["crashes"][0]["times"]
    assert cli.json("app pause --env dev --why look")["candidate"]["paused"]
    assert not cli.json("app pause --off --env dev")["candidate"]["paused"]
    assert 30.0 == cli.json(f"app split {bundle}=30% --env dev --yes")["candidate"]["percent"]
    assert bundle == cli.json("app promote --env dev --yes --why fine")["stable"]
    assert f"bundle {bundle} was taken back" in cli.text("app rollback --env dev --yes --why crashes")
    house.parts.offerings.tend()
    assert "9 devices still had it when they last called" in cli.text("status")
    cli.text("app rollback --env dev --yes", code=3)
    cli.text("app show --env moon", code=2)


@on_machine
def test_a_model_is_trained_anew(cli: CommandLine) -> None:
    """A better one is registered; what the gate refuses ends with 3; both are listed, shown and compared."""
    assert "✔ registered v6.7." in cli.text("train --from 2013-05 --until 2013-07 --why quarterly")
    trained = cli.json("train show 2")["run"]
    assert ("succeeded", "v6.7") == (trained["status"], trained["model_version"])
    assert "✔ run 2: promote: Brier score -0.0020" in cli.text("train show 2")
    cli.world.house.steps.files["evaluation.json"] = evaluation(-0.001, 0.001)
    cli.text("train", code=3)
    assert "used again: nothing has changed since run 2" in cli.text("train show 3")
    assert "✘ run 3: no evidence: Brier score +0.0000" in cli.text("train show 3")
    assert ["3", "2"] == [one["run"]["id"] for one in cli.json("train runs")["trainings"]]
    assert "the same in both: prepare, train" in cli.text("train compare 2 3")
    assert "no evidence" in cli.text("train runs")
    assert ["3", "2"] == [cli.json("train compare 3 2")[name]["run"]["id"] for name in ("a", "b")]
    cli.text("train --resume 3", code=3)
    assert "3" == cli.json("train show 4")["run"]["retry_of"]
    assert "there is nothing to search" in cli.text("train --tune 3 --jobs 2", code=2)
    assert "goes without --from" in cli.text("train --resume 3 --from 2013-05", code=2)
    assert "'May' is no month" in cli.text("train --from May", code=2)


def test_secrets(cli: CommandLine) -> None:
    """Set from a file, listed by name, forgotten; a value is never answered."""
    file = Path("value.txt")
    file.write_text("of great value")
    set = cli.json(f"secrets set MAPS_API_KEY --env prod --from-file {file} --why new")
    assert (True, "MAPS_API_KEY", "prod") == (set["changed"], set["name"], set["environment"])
    listed = cli.json("secrets list --env prod")
    assert ["MAPS_API_KEY"] == [secret["name"] for secret in listed["secrets"]]
    assert "of great value" not in json.dumps([set, listed])
    assert "✔ MAPS_API_KEY is unset in prod" in cli.text("secrets unset MAPS_API_KEY --env prod --yes")
    assert "prod has no secret" in cli.text("secrets list --env prod")
    assert "no environment 'moon'" in cli.text("secrets list --env moon", code=2)


def test_a_signing_key(cli: CommandLine) -> None:
    """Made once and kept as a secret; what is printed is its public half."""
    assert cli.text("app key --env prod").startswith("-----BEGIN RSA PUBLIC KEY-----")
    assert "prod has a key" in cli.text("app key --env prod", code=3)
    assert ["APP_SIGNING_KEY"] == [secret["name"] for secret in cli.json("secrets list --env prod")["secrets"]]


@on_machine
def test_secrets_of_this_machine(cli: CommandLine) -> None:
    """The same value again is no change; each change is in the audit log."""
    file = Path("value.txt")
    file.write_text("of great value")
    assert cli.json(f"secrets set MAPS_API_KEY --env prod --from-file {file} --why new")["changed"]
    assert not cli.json(f"secrets set MAPS_API_KEY --env prod --from-file {file}")["changed"]
    cli.text("secrets unset MAPS_API_KEY --env prod --yes")
    assert [("unset secret", "", "prod"), ("set secret", "new", "prod")] == [
        (entry["action"], entry["why"], entry["environment"]) for entry in cli.json("audit")["entries"]
    ][:2]


def test_a_follower_is_told_in_its_own_words(cli: CommandLine) -> None:
    """An error is what the desk says, whoever carries it."""
    assert "✘ no run '77'\n  Next: shipway runs\n" == cli.text("run follow 77", code=2)


@pytest.fixture
def no_daemon(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The app's desk lies in this process."""
    platform_over(house)
    monkeypatch.setitem(wiring.TARGETS, "memory", "tests.doubles.memory")
    monkeypatch.setitem(memory.HOUSES, house.root, house)


@pytest.mark.usefixtures("no_daemon")
def test_doctor_looks_at_what_the_target_needs(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a daemon there is nothing to say of one."""
    assert 0 == shipway(["--target", "memory", "doctor", "--json"])
    found = [check["name"] for check in json.loads(capsys.readouterr().out)["checks"] if check["name"] != "demo"]
    assert ["memory"] == found


@pytest.mark.usefixtures("no_daemon")
@pytest.mark.parametrize("typed", ["up --detach", "down --yes", "reload", "prune --yes", "logs --daemon"])
def test_what_only_a_daemon_has_is_usage_without_one(capsys: pytest.CaptureFixture[str], typed: str) -> None:
    """A clear error, never a traceback."""
    assert 2 == shipway(["--target", "memory", *typed.split()])
    assert "daemon" in capsys.readouterr().err


def test_an_unknown_target_is_usage(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """What there is, is named."""
    platform_over(house)
    assert 2 == shipway(["--target", "moon", "status"])
    assert (
        "✘ no target 'moon'; there is: local, aws\n  Next: name one of them by --target or SHIPWAY_TARGET\n"
        == capsys.readouterr().err
    )


def test_every_command_is_here() -> None:
    """A new command is tried over both carriers, or is one that needs a daemon, or no desk."""
    tried = Path(__file__).read_text()
    leaves = set(_leaves(program)) - DAEMONS - NO_DESK
    assert [] == [leaf for leaf in leaves if f'"{leaf}' not in tried]


def _leaves(command: click.Command, above: str = "") -> Iterator[str]:
    if isinstance(command, Group):
        for name, inner in command.commands.items():
            yield from _leaves(inner, f"{above} {name}".strip())
    else:
        yield above
