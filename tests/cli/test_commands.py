"""Commands against a real server on the daemon's socket: what they ask, what they print, how they exit."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest

from shipway.cli.main import run as shipway
from shipway.local.daemon import LocalDaemon
from shipway.local.places import Places
from tests.cli.answers import Json, environment, event, rollout, run, status, succeeded, waiting
from tests.cli.daemon_double import DaemonDouble
from tests.waiting import wait_for

Capture = pytest.CaptureFixture[str]


def _followed(daemon: DaemonDouble, end: Json, *events: Json, id: str = "12") -> None:
    """Let the run have these events, then this end."""
    kind = "gate" if end["live"] else "end"
    last = event(99, kind, "the last one")
    daemon.answer("GET", f"/v1/runs/{id}/events", {"run": end, "events": [*events, last]})
    daemon.answer("GET", f"/v1/runs/{id}", {"run": end, "release": None, "rollouts": [rollout()]})
    daemon.answer("GET", "/v1/status", status(environment()))


def test_no_daemon(app: Places, capsys: Capture) -> None:
    """Without a daemon every command says how to start one."""
    assert 1 == shipway(["status"])
    assert ("", "✘ Shipway is not running here. Start it: shipway up --detach\n") == tuple(capsys.readouterr())


def test_no_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Outside of an app the missing file is named, as usage."""
    monkeypatch.chdir(tmp_path)
    assert 2 == shipway(["status"])
    assert f"✘ no shipway.yaml in {tmp_path.resolve()} nor above it" in capsys.readouterr().err


def test_a_folder_inside_the_app_will_do(
    app: Places, daemon: DaemonDouble, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """The nearest shipway.yaml above decides."""
    daemon.answer("GET", "/v1/status", status(environment()))
    monkeypatch.chdir(app.root / "inner")
    assert 0 == shipway(["status"])
    assert capsys.readouterr().out.startswith("ontime: Shipway 0.1.0, pid 4711")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("stauts", "shipway status"), ("lgos", "shipway logs"), ("model lits", "shipway model list")],
)
def test_an_unknown_command_meets_its_neighbour(typed: str, meant: str, capsys: Capture) -> None:
    """A slip of the finger is usage, with the nearest command that only looks."""
    assert 2 == shipway(typed.split())
    assert f"did you mean `{meant}`?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "typed",
    ["exec", "destroy", "restart", "deplyo", "aprove", "rejcet", "retyr", "abrot", "promte", "rolback", "dwon", "pasue",
     "reloda", "resmue", "delete", "undeploy", "model promot", "model aprove", "model archve", "model splt", "model bkae"],
)  # fmt: skip
def test_no_unknown_word_is_answered_with_a_command_that_decides(typed: str, capsys: Capture) -> None:
    """Whoever types one word too many must not be led to another one that changes what runs."""
    assert 2 == shipway(typed.split())
    told = capsys.readouterr().err
    assert f"no command {typed.rsplit(maxsplit=1)[-1]!r}" in told
    assert "did you mean" not in told


@pytest.mark.parametrize(
    "typed",
    [
        "xyzzy",
        "rollback",
        "logs --lines 0",
        "logs --daemon --env prod",
        "promote --env prod",
        "logs --xyz",
        "logs --since soon",
        "up it",
    ],
)
def test_wrong_usage_is_exit_code_2(app: Places, typed: str, capsys: Capture) -> None:
    """Nothing is asked of the daemon, and the help is named."""
    assert 2 == shipway(typed.split())
    said = capsys.readouterr()
    assert said.err.startswith("✘ ")
    assert "--help" in said.err
    assert "" == said.out


def test_deploy_follows_to_the_end(app: Places, daemon: DaemonDouble, capsys: Capture) -> None:
    """Head line, story, what serves now and the undo, all on stdout."""
    daemon.answer("POST", "/v1/runs", run(done=[]))
    _followed(
        daemon, succeeded(), event(1, "done", "built backend-api 9f2c1e", None, 3.1), event(2, "note", "go", "prod")
    )
    assert 0 == shipway(["deploy", "main", "--env", "prod"])
    said = capsys.readouterr()
    assert [
        'run 12: abc1234 "Show the gate" → dev → prod',
        "  ✔ built backend-api 9f2c1e                                         3.1 s",
        "prod",
        "  · go",
        "prod serves r42, 3/3 tasks, model v1.2.  Undo: shipway rollback --env prod",
    ] == said.out.splitlines()
    assert "" == said.err
    assert ("POST", "/v1/runs", {"commit": "main", "environment": "prod"}) == daemon.asked[0]


def test_deploy_as_json_is_one_object(app: Places, daemon: DaemonDouble, capsys: Capture) -> None:
    """With `--json` stdout holds the run alone; the story goes to stderr."""
    daemon.answer("POST", "/v1/runs", run())
    _followed(daemon, succeeded(), event(1, "done", "built"))
    assert 0 == shipway(["deploy", "--json"])
    said = capsys.readouterr()
    assert {"run": succeeded(), "release": None, "rollouts": [rollout()]} == json.loads(said.out)
    assert "✔ built" in said.err


@pytest.mark.parametrize(("ended", "code"), [("failed", 1), ("refused", 3), ("superseded", 3), ("rolled_back", 4)])
def test_deploy_exits_as_the_run_ends(
    app: Places, daemon: DaemonDouble, ended: str, code: int, capsys: Capture
) -> None:
    """The exit code tells the truth."""
    end = run(status=ended, live=False, exit_code=code, reason="because")
    daemon.answer("POST", "/v1/runs", run())
    _followed(daemon, end)
    assert code == shipway(["deploy"])
    assert f"✘ run 12 {ended.replace('_', ' ')}: because" in capsys.readouterr().out


def test_deploy_stops_at_a_gate(app: Places, daemon: DaemonDouble, capsys: Capture) -> None:
    """Waiting for a person is no fault: the next command is told."""
    daemon.answer("POST", "/v1/runs", run())
    _followed(daemon, waiting())
    assert 0 == shipway(["deploy"])
    assert 'Approve: shipway approve 12 --why "…"' in capsys.readouterr().out


def test_detach_only_names_the_run(app: Places, daemon: DaemonDouble, capsys: Capture) -> None:
    """Nothing is followed."""
    daemon.answer("POST", "/v1/runs", run())
    assert 0 == shipway(["deploy", "--detach"])
    assert "  Follow: shipway run follow 12\n" in capsys.readouterr().out
    assert 1 == len(daemon.asked)
    assert 0 == shipway(["deploy", "--detach", "--json"])
    assert {"run": run()} == json.loads(capsys.readouterr().out)


def test_approve_follows_from_where_the_run_waited(app: Places, daemon: DaemonDouble, capsys: Capture) -> None:
    """The gate that was just answered does not stop the follower, and old events are not told again."""
    gate, after = event(5, "gate", "waits"), {"run": waiting(), "events": []}
    answered = {"run": run(), "events": [event(6, "done", "approved for prod by ada: fine", "prod")]}
    ended = {"run": succeeded(), "events": [event(7, "end", "done")]}
    daemon.answer("GET", "/v1/runs/12", {"run": waiting(), "rollouts": []}, {"run": succeeded(), "rollouts": []})
    daemon.answer("GET", "/v1/runs/12/events", {"run": waiting(), "events": [gate]}, after, answered, ended)
    daemon.answer("POST", "/v1/runs/12/approve", waiting())
    daemon.answer("GET", "/v1/status", status(environment()))
    assert 0 == shipway(["approve", "12", "--why", "fine"])
    out = capsys.readouterr().out
    assert "waits" not in out
    assert "✔ approved for prod by ada: fine" in out
    assert {"why": "fine"} in [body for method, _, body in daemon.asked if method == "POST"]
    assert ["5", "5", "6"] == [b["after"] for m, path, b in daemon.asked if path == "/v1/runs/12/events"][1:]


def test_a_refusal_of_the_daemon_is_exit_code_3(app: Places, daemon: DaemonDouble, capsys: Capture) -> None:
    """What happened, what is true now, what to do: on stderr, and as JSON where that was asked for."""
    error = {"what": "ada may not roll back prod", "fix": "ask bob", "state": "nothing changed", "exit_code": 3}
    daemon.answer("GET", "/v1/status", status(environment()))
    daemon.answer("POST", "/v1/environments/prod/rollback", {"error": error}, status=409)
    assert 3 == shipway(["rollback", "--env", "prod", "--json"])
    said = capsys.readouterr()
    assert {"error": error} == json.loads(said.out)
    assert "✘ ada may not roll back prod\n  nothing changed\n  Next: ask bob\n" == said.err


@pytest.mark.parametrize("verb", ["pause", "resume", "promote", "abort"])
def test_steering_sends_who_and_why(app: Places, daemon: DaemonDouble, verb: str, capsys: Capture) -> None:
    """A word to a rollout, and what it does now."""
    daemon.answer("GET", "/v1/status", status(environment()))
    daemon.answer("POST", f"/v1/environments/prod/{verb}", {"rollout": rollout(paused=True)})
    assert 0 == shipway([verb, "--env", "prod", "--why", "because", *(["--now"] if verb == "promote" else [])])
    assert ("POST", f"/v1/environments/prod/{verb}", {"why": "because"}) == daemon.asked[-1]
    assert f"✔ {verb} of prod asked for; now: shifting, 5 % of clients" in capsys.readouterr().out


def test_reject_and_retry(app: Places, daemon: DaemonDouble, capsys: Capture) -> None:
    """A no ends the run; a retry is a new run that is followed."""
    daemon.answer("POST", "/v1/runs/12/reject", run())
    assert 0 == shipway(["reject", "12", "--why", "friday"])
    assert "rejected; nothing was rolled out" in capsys.readouterr().out
    daemon.answer("POST", "/v1/runs/12/retry", run(id="13"))
    _followed(daemon, succeeded(id="13"), id="13")
    assert 0 == shipway(["retry", "12"])
    assert capsys.readouterr().out.startswith("run 13: ")


def test_run_show_tells_the_story(app: Places, daemon: DaemonDouble, capsys: Capture) -> None:
    """A run's facts, then its events under their environments."""
    daemon.answer("GET", "/v1/runs/12", {"run": succeeded(), "release": None, "rollouts": []})
    events = [event(1, "done", "one", "dev"), event(2, "done", "two", "dev"), event(3, "end", "end", "dev")]
    daemon.answer("GET", "/v1/runs/12/events", {"run": succeeded(), "events": events})
    assert 0 == shipway(["run", "show", "12"])
    assert ["dev", "  ✔ one", "  ✔ two"] == capsys.readouterr().out.splitlines()[-3:]
    assert 0 == shipway(["run", "show", "12", "--json"])
    assert events == json.loads(capsys.readouterr().out)["events"]


def test_models(app: Places, daemon: DaemonDouble, capsys: Capture) -> None:
    """Publish sends an absolute folder; promote without anything serving changes `latest` alone."""
    daemon.answer("POST", "/v1/models", {"name": "delay", "version": "v1.0", "told": ["as it is"]})
    assert 0 == shipway(["model", "publish", "inner"])
    sent = {"folder": str(app.root / "inner"), "version": None, "pickle_sha256": None}
    assert {**sent, "keep_native": False, "check": False} == daemon.asked[-1][2]
    assert "  · as it is\n✔ published delay v1.0\n" in capsys.readouterr().out
    assert 0 == shipway(["model", "publish", "inner", "--check", "--keep-native", "--pickle-sha256", "ab"])
    assert {**sent, "pickle_sha256": "ab", "keep_native": True, "check": True} == daemon.asked[-1][2]
    assert "nothing was stored" in capsys.readouterr().out
    daemon.answer("GET", "/v1/status", status(environment(release=None)))
    daemon.answer("POST", "/v1/models/v1.0/promote", {"latest": "v1.0", "run": None})
    assert 0 == shipway(["model", "promote", "v1.0", "--env", "dev", "--env", "prod"])
    words = {"environments": ["dev", "prod"], "why": "", "canary": False, "next_release": False}
    assert words == daemon.asked[-1][2]
    assert "✔ v1.0 is approved, and the latest; nothing serves yet" in capsys.readouterr().out
    daemon.answer("GET", "/v1/models", {"latest": None, "models": []})
    assert 0 == shipway(["model", "list"])
    assert "no model version yet: shipway model publish FOLDER\n" == capsys.readouterr().out
    shown = {
        "metadata": {"name": "delay", "version": "v1.0"},
        "latest": False,
        "serves": [],
        "served": [],
        "probations": [],
    }
    daemon.answer("GET", "/v1/models/v1.0", shown)
    assert 0 == shipway(["model", "show", "v1.0", "--json"])
    assert shown == json.loads(capsys.readouterr().out)
    assert 0 == shipway(["model", "show", "v1.0"])
    assert "delay v1.0: pending" == capsys.readouterr().out.splitlines()[0]
    daemon.answer("POST", "/v1/models/rollback", {"latest": "v1.0", "run": run(kind="model", subject="model v1.0")})
    assert 0 == shipway(["model", "rollback", "--detach"])
    assert "run 12: model v1.0 in dev, prod" in capsys.readouterr().out


def test_a_model_for_the_next_release(app: Places, daemon: DaemonDouble, capsys: Capture) -> None:
    """Nothing that runs is named, and the way on is a deploy."""
    daemon.answer("GET", "/v1/status", status(environment()))
    daemon.answer("POST", "/v1/models/v2.0/promote", {"latest": "v2.0", "run": None})
    assert 0 == shipway(["model", "promote", "v2.0", "--next-release"])
    assert "✔ v2.0 is approved, and new releases take it; what runs keeps its version" in capsys.readouterr().out
    assert daemon.asked[-1][2]["next_release"]
    assert 2 == shipway(["model", "promote", "v2.0", "--next-release", "--env", "prod"])


@pytest.mark.parametrize("action", ["approve", "reject", "archive"])
def test_decisions_on_a_model(app: Places, daemon: DaemonDouble, action: str, capsys: Capture) -> None:
    """Each is sent with its reason, without which it is usage."""
    model = {
        "version": "v1.0",
        "approval_status": "approved",
        "approval_by": "ada",
        "approval_at": "",
        "approval_why": "",
    }
    answer = {"model": model, "changed": True, "serves": [], "latest": False, "run": None, "not_promoted": None}
    daemon.answer("POST", f"/v1/models/v1.0/{action}", answer)
    assert 2 == shipway(["model", action, "v1.0"])
    assert [] == daemon.asked
    assert 0 == shipway(["model", action, "v1.0", "--why", "tried it", "--json"])
    assert {"why": "tried it"} == daemon.asked[-1][2]
    assert answer == json.loads(capsys.readouterr().out)


def test_an_approval_that_promotes_is_followed(app: Places, daemon: DaemonDouble, capsys: Capture) -> None:
    """The run that `on_approval` started is told like any other, and its end is the exit code."""
    model = {"version": "v1.0", "approval_status": "approved"}
    began = run(kind="model", subject="model v1.0", path=["dev"])
    answer = {"model": model, "changed": True, "serves": [], "latest": False, "run": began, "not_promoted": None}
    daemon.answer("POST", "/v1/models/v1.0/approve", answer)
    _followed(daemon, run(status="rolled_back", live=False, exit_code=4, reason="because"))
    assert 4 == shipway(["model", "approve", "v1.0", "--why", "better"])
    assert "✔ v1.0 is approved\nrun 12: model v1.0 in dev\n" in capsys.readouterr().out
    assert 0 == shipway(["model", "approve", "v1.0", "--why", "better", "--detach", "--json"])
    assert answer == json.loads(capsys.readouterr().out)


def test_baking_and_comparing(app: Places, daemon: DaemonDouble, capsys: Capture) -> None:
    """A folder is sent absolute; what takes long says so beside the result."""
    baked = {"model": {"version": "v1.0"}, "folder": "ml/models", "to_describe": ""}
    daemon.answer("POST", "/v1/models/v1.0/bake", baked)
    assert 0 == shipway(["model", "bake", "v1.0", "--into", "ml/models"])
    assert {"service": None, "into": str(app.root / "ml/models")} == daemon.asked[-1][2]
    assert 0 == shipway(["model", "bake", "v1.0", "--json"])
    daemon.answer("GET", "/v1/models/v1.0/compare/v1.1", {"a": "v1.0"})
    capsys.readouterr()
    assert 0 == shipway(["model", "compare", "v1.0", "v1.1", "--json"])
    said = capsys.readouterr()
    assert {"a": "v1.0"} == json.loads(said.out)
    assert "waiting up to 15 min" in said.err


TASK = {"environment": "prod", "service": "web", "task": "t-0", "release": "r42"}


def test_logs_ask_for_what_was_said(app: Places, daemon: DaemonDouble, capsys: Capture) -> None:
    """Filters go to the daemon; a release may be an argument or an option."""
    line = {"environment": "prod", "service": "web", "task": "t-0", "release": "r42", "line": "hello"}
    daemon.answer("GET", "/v1/logs", {"lines": [line]})
    assert 0 == shipway(["logs", "r42", "--env", "prod", "--errors", "--lines", "5"])
    assert "prod web-0 r42 | hello\n" == capsys.readouterr().out
    assert {"environment": "prod", "release": "r42", "errors": "1", "checks": "0", "lines": "5"} == daemon.asked[-1][2]
    assert 0 == shipway(["logs", "--release", "r42"])
    assert {"release": "r42", "errors": "0", "checks": "0", "lines": "100"} == daemon.asked[-1][2]
    daemon.answer("GET", "/v1/logs/daemon", {"lines": ["\x1b[31mup"]})
    daemon.answer("GET", "/v1/logs/build", {"lines": ["1 passed"]})
    assert (0, 0) == (shipway(["logs", "--daemon"]), shipway(["logs", "--build", "12"]))
    assert "prod web-0 r42 | hello\nup\n1 passed\n" == capsys.readouterr().out


def test_logs_are_narrowed_and_shown_raw(
    app: Places, daemon: DaemonDouble, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person sees what a line says, `--raw` what was written; `--since`, `--grep` and `-n` go to the daemon."""
    text = '{"level": "info", "event": "request", "method": "GET", "path": "/a", "status": 200, "ms": 3.14}'
    daemon.answer("GET", "/v1/logs", {"lines": [{**TASK, "line": text}]})
    assert 0 == shipway(["logs", "-n", "7", "--grep", "/a", "--since", "2026-11-26T10:00:00Z"])
    assert "prod web-0 r42 | info     GET /a  200  3.1 ms\n" == capsys.readouterr().out
    narrowed = {"grep": "/a", "since": "1795687200.0", "lines": "7"}
    assert {"errors": "0", "checks": "0", **narrowed} == daemon.asked[-1][2]
    assert 0 == shipway(["logs", "--raw"])
    assert f"prod web-0 r42 | {text}\n" == capsys.readouterr().out
    assert {"errors": "0", "lines": "100"} == daemon.asked[-1][2]


def test_following_logs_tells_new_lines_until_it_is_interrupted(
    app: Places, daemon: DaemonDouble, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`-f` shows the last lines, then each new one once."""
    looks = [["a", "b"], ["a", "b", "c"], ["a", "b", "c"]]
    daemon.answer("GET", "/v1/logs", *({"lines": [{**TASK, "line": line} for line in look]} for look in looks))
    pauses = iter([None, None])

    def pause(_: float) -> None:
        if next(pauses, "over") == "over":
            raise KeyboardInterrupt

    monkeypatch.setattr("shipway.cli.commands.records.time.sleep", pause)
    assert 130 == shipway(["logs", "-f", "-n", "1"])
    assert ["prod web-0 r42 | b", "prod web-0 r42 | c"] == capsys.readouterr().out.splitlines()


def test_lists_as_json_are_the_daemons_answer(app: Places, daemon: DaemonDouble, capsys: Capture) -> None:
    """`--json` changes nothing and leaves nothing out."""
    for path, typed, answer in [
        ("/v1/status", "status", status(environment())),
        ("/v1/runs", "runs", {"runs": [run()]}),
        ("/v1/releases", "releases", {"releases": []}),
        ("/v1/models", "model list", {"latest": None, "models": []}),
        ("/v1/audit", "audit", {"entries": []}),
        ("/v1/logs", "logs", {"lines": []}),
    ]:
        daemon.answer("GET", path, answer)
        assert 0 == shipway([*typed.split(), "--json"])
        assert answer == json.loads(capsys.readouterr().out)
        assert 0 == shipway(typed.split())
        capsys.readouterr()


def test_down_waits_until_the_daemon_is_gone(app: Places, daemon: DaemonDouble, capsys: Capture) -> None:
    """It is done when nobody listens; what is stopped already is no error."""
    daemon.answer("GET", "/v1/status", status(environment()))
    daemon.answer("POST", "/v1/down", {"stopped": True})
    asked = ("POST", "/v1/down", {"keep_tasks": True})

    def stop_once_asked() -> None:
        wait_for(lambda: asked in daemon.asked)
        daemon.stop()

    stopping = threading.Thread(target=stop_once_asked)
    stopping.start()
    assert 0 == shipway(["down", "--keep-tasks"])
    stopping.join()
    assert capsys.readouterr().out.startswith("✔ the control plane is stopped; tasks and router go on serving.")
    assert 0 == shipway(["down", "--json"])
    assert {"stopped": False, "keep_tasks": False} == json.loads(capsys.readouterr().out)


def test_up_where_it_runs_already(app: Places, daemon: DaemonDouble, capsys: Capture) -> None:
    """A second `up` starts nothing."""
    daemon.answer("GET", "/v1/status", status(environment()))
    assert 0 == shipway(["up", "--detach"])
    said = capsys.readouterr()
    assert "Shipway already runs here (pid 4711)\n" == said.err
    assert said.out.startswith("ontime: ")


def test_reload_says_whether_anything_changed(app: Places, daemon: DaemonDouble, capsys: Capture) -> None:
    """The two answers differ."""
    daemon.answer("POST", "/v1/reload", {"changed": True, "authority": {}}, {"changed": False, "authority": {}})
    assert (0, 0) == (shipway(["reload"]), shipway(["reload"]))
    assert "✔ shipway.yaml read again\n– shipway.yaml has not changed\n" == capsys.readouterr().out


def test_a_router_that_was_left_alone_is_seen(app: Places) -> None:
    """After the daemon has ended, the router's socket tells that the app still serves."""
    daemon = LocalDaemon(app, [])
    assert not daemon.is_left_serving()
    app.runtime.mkdir(parents=True)
    (app.runtime / "left.sock").touch()
    assert not daemon.is_left_serving()
    with socket.socket(socket.AF_UNIX) as router:
        router.bind(str(app.runtime / "router.sock"))
        router.listen()
        assert daemon.is_left_serving()
    assert not daemon.is_left_serving()


def test_a_part_of_the_daemon_that_is_stuck_shows_in_status(app: Places, daemon: DaemonDouble, capsys: Capture) -> None:
    """Above all that may be old by then, and by the exit code."""
    loop = {"name": "tasks", "purpose": "starts and watches tasks", "quiet": 44.0, "fault": "has been stuck for 44 s"}
    stuck, well = (status(environment("prod"), loops=[{**loop, "fault": fault}]) for fault in (loop["fault"], ""))
    daemon.answer("GET", "/v1/status", stuck, stuck, well)
    assert 1 == shipway(["status"])
    shown = capsys.readouterr().out.splitlines()
    assert "✘ what starts and watches tasks has been stuck for 44 s" == shown[1]
    assert 1 == shipway(["status", "--json"])
    assert [loop] == json.loads(capsys.readouterr().out)["loops"]
    assert 0 == shipway(["status"])
