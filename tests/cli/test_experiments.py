"""`model split` and `model shadow`: what they ask of the daemon, what they print, how they exit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shipway.cli.main import run as shipway
from shipway.cli.render.experiments import experiment_lines
from shipway.cli.render.status import environment_lines
from shipway.local.places import Places
from tests.cli.answers import NOW, Json, environment, status
from tests.cli.daemon_double import DaemonDouble

Capture = pytest.CaptureFixture[str]
SPLIT = "/v1/environments/prod/split"
SHADOW = "/v1/environments/prod/shadow"


def variant(version: str, percent: float, **changes: Any) -> Json:
    """A version that answered a thousand requests."""
    return {
        "version": version, "percent": percent, "requests": 1000, "errors": 0, "p95": 0.0021, "mean": 0.3121,
        "shift": None, "verdict": None, **changes,
    }  # fmt: skip


def verdict(kind: str, reason: str) -> Json:
    """What the rules say."""
    return {"kind": kind, "reason": reason, "lacking": False}


def experiment(**changes: Any) -> Json:
    """A split of prod that goes well, and a shadow."""
    candidate = variant(
        "v1.2", 10.0, requests=120, errors=2, shift=0.012,
        verdict=verdict("hold", "120 of 200 predictions seen of candidate"),
    )  # fmt: skip
    return {
        "environment": "prod", "model_version": "v1.1", "split": {"v1.2": 10.0},
        "shadow": {"version": "v1.3", "percent": 50.0}, "by": "ann", "why": "is it better?", "since": NOW - 60,
        "stopped": [], "versions": [variant("v1.1", 90.0), candidate], "tasks": 3,
        "shadow_report": {
            "version": "v1.3", "percent": 50.0, "compared": 2000, "disagreements": 44, "failed": 1, "dropped": 7,
            "disagreement": 0.022, "mean_difference": 0.0123, "largest_difference": 0.41, "mean": 0.33,
            "stable_mean": 0.31, "verdict": verdict("promote", "44 of 2,000 rows disagree"),
        },
        **changes,
    }  # fmt: skip


NOTHING = {"split": {}, "shadow": None, "shadow_report": None, "versions": []}
STOPPED = {"version": "v1.2", "percent": 10.0, "reason": "failed 61 of 118 requests (52 %, stable 0 %)", "at": NOW - 5}


def test_the_whole_comparison() -> None:
    """A table of the versions, the shadow below, and what to do next."""
    assert [
        "prod: model v1.1 90 %, v1.2 10 %, shadow v1.3 of 50 %, since 11:05:40 by ann: is it better?",
        "  VERSION  SHARE  REQUESTS  ERRORS      P95     MEAN    SHIFT  VERDICT",
        "  v1.1     90 %   1,000     0           2.1 ms  0.3121  –      stable",
        "  v1.2     10 %   120       2 (1.67 %)  2.1 ms  0.3121  1.2 %  waits: 120 of 200 predictions seen of candidate",
        "",
        "  shadow v1.3: 2,000 rows compared, 44 disagree (2.2 %), mean difference 0.0123, largest 0.41",
        "    mean prediction 0.33, clients got 0.31",
        "    requests it failed on: 1, had no time for: 7",
        "    would promote: 44 of 2,000 rows disagree",
        "  All of it: shipway model promote v1.2 --env prod",
        "  End it: shipway model split --off --env prod",
        "  End it: shipway model shadow --off --env prod",
    ] == experiment_lines(experiment(), NOW)


def test_figures_that_nobody_has_counted_yet() -> None:
    """Dashes, and a shadow without a share of disagreement."""
    empty = variant("v1.2", 10.0, requests=0, p95=None, mean=None, verdict=verdict("hold", "0 of 50 requests seen"))
    shadow = experiment()["shadow_report"] | {
        "compared": 0, "disagreements": 0, "failed": 0, "dropped": 0, "disagreement": None, "mean_difference": None,
        "mean": None, "stable_mean": None, "verdict": verdict("hold", "0 of 200 rows compared"),
    }  # fmt: skip
    lines = experiment_lines(experiment(versions=[empty], shadow_report=shadow, why="", by=""), NOW)
    assert "  v1.2     10 %   0         0       –    –     –      waits: 0 of 50 requests seen" in lines
    assert "  shadow v1.3: 0 rows compared" in lines


def test_where_nothing_is_tried_out() -> None:
    """One line, and what the platform took out, with its reason."""
    lines = experiment_lines(experiment(**NOTHING, stopped=[STOPPED]), NOW)
    assert [
        "prod: model v1.1 answers everyone",
        "  ✘ v1.2 (10 %) was taken out at 11:06:35: failed 61 of 118 requests (52 %, stable 0 %)",
    ] == lines


def test_the_status_has_a_line_for_it() -> None:
    """Who answers how many, and the verdict on each candidate; nothing where nothing is tried out."""
    lines = environment_lines(environment(experiment=experiment()), NOW)
    assert (
        "  · model v1.1 90 %, v1.2 10 %, shadow v1.3 of 50 % (v1.2 waits: 120 of 200 predictions seen of candidate; "
        "v1.3 would promote: 44 of 2,000 rows disagree)"
    ) in lines
    stopped = environment_lines(environment(experiment=experiment(**NOTHING, stopped=[STOPPED])), NOW)
    assert "  ✘ v1.2 (10 %) was taken out at 11:06:35: failed 61 of 118 requests (52 %, stable 0 %)" in stopped
    assert not [line for line in environment_lines(environment(), NOW) if "model v1.1" in line]
    fresh = environment_lines(environment(experiment=experiment(versions=[], shadow_report=None, shadow=None)), NOW)
    assert "  · model v1.1 90 %, v1.2 10 %" in fresh


def test_what_the_daemon_tells_is_made_plain() -> None:
    """Reasons may hold what a model service said."""
    rude = dict(STOPPED, reason="a\x1b[31mb\nc")
    assert "\x1b" not in "".join(experiment_lines(experiment(stopped=[rude], why="x\x1b[2J"), NOW))


def test_a_split_is_asked_for(app: Places, daemon: DaemonDouble, capsys: Capture) -> None:
    """Shares go to the daemon as they were typed; the answer is what is so now."""
    daemon.answer("POST", SPLIT, experiment())
    daemon.answer("GET", "/v1/status", status(environment()))
    assert 0 == shipway(["model", "split", "v1.2=10%", "v2.0=1", "--env", "prod", "--why", "better?", "--yes"])
    assert ("POST", SPLIT, {"shares": ["v1.2=10%", "v2.0=1"], "off": False, "why": "better?"}) == daemon.asked[-1]
    assert capsys.readouterr().out.startswith("✔ every task of prod does so now\nprod: model v1.1 90 %")


def test_a_shadow_is_asked_for(app: Places, daemon: DaemonDouble) -> None:
    """All requests, unless a share of them is named."""
    daemon.answer("POST", SHADOW, experiment())
    daemon.answer("GET", "/v1/status", status(environment()))
    for arguments, percent in (([], 100.0), (["--percent", "5"], 5.0)):
        assert 0 == shipway(["model", "shadow", "v1.3", "--env", "prod", "--yes", *arguments])
        sent = {"version": "v1.3", "percent": percent, "off": False, "why": ""}
        assert ("POST", SHADOW, sent) == daemon.asked[-1]


@pytest.mark.parametrize(("command", "path"), [("split", SPLIT), ("shadow", SHADOW)])
def test_without_versions_it_is_shown(
    app: Places, daemon: DaemonDouble, capsys: Capture, command: str, path: str
) -> None:
    """As text, or as the daemon's own answer."""
    daemon.answer("GET", path, experiment())
    assert 0 == shipway(["model", command, "--env", "prod"])
    assert "would promote" in capsys.readouterr().out
    assert 0 == shipway(["model", command, "--env", "prod", "--json"])
    assert experiment() == json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(("command", "path"), [("split", SPLIT), ("shadow", SHADOW)])
def test_ending_asks_nothing(app: Places, daemon: DaemonDouble, capsys: Capture, command: str, path: str) -> None:
    """It is the safe way, so it is not confirmed."""
    daemon.answer("POST", path, experiment(**NOTHING))
    assert 0 == shipway(["model", command, "--off", "--env", "prod", "--json"])
    assert [("POST", path)] == [(method, asked) for method, asked, _ in daemon.asked]
    assert daemon.asked[-1][2]["off"] is True
    assert {} == json.loads(capsys.readouterr().out)["split"]


@pytest.mark.parametrize(
    "typed",
    [
        "model split v1.2=10% --off --env prod",
        "model split v1.2=10%",
        "model shadow v1.3 --off --env prod",
        "model shadow v1.3 --percent 0 --env prod",
        "model shadow v1.3 --percent 101 --env prod",
    ],
)
def test_wrong_usage(app: Places, daemon: DaemonDouble, typed: str) -> None:
    """The daemon is not asked."""
    assert 2 == shipway(typed.split())
    assert [] == daemon.asked
