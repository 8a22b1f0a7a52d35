"""Who had which model in production when, as lines of text."""

from __future__ import annotations

from shipway.cli.render.model_history import history_lines
from shipway.cli.render.text import clock_time
from tests.cli.answers import NOW, Json


def stay(**changes: object) -> Json:
    """A version that was promoted by a swap."""
    origin = {
        "author": "ann", "trained_at": "2013-10-01T00:00:00Z", "run": "7", "commit": "abc1234def5678",
        "begin": "2013-01-01", "until": "2013-10-01", "parent": "v1.1", "gate": "promote",
    }  # fmt: skip
    decided = {"status": "approved", "by": "mei", "at": "2026-11-22T07:00:00Z", "why": "better"}
    return {
        "environment": "prod", "version": "v1.2", "since": NOW - 60, "until": None, "release": "r42", "by": "ann",
        "why": "it won", "run": "12", "kind": "swap", "back": False, "origin": origin, "decided": decided,
        "probation": "goes on", "beside": "v1.3 answered 10 %", **changes,
    }  # fmt: skip


def test_a_stay_reads_from_its_time_to_its_probation() -> None:
    assert [
        f"prod  v1.2  from {clock_time(NOW - 60, NOW)} until now  (r42)",
        "    beside it  v1.3 answered 10 %",
        "    trained    by ann, run 7, on 2013-01-01 to 2013-10-01, commit abc1234, after v1.1, gate: promote",
        "    approved   by mei, 2026-11-22T07:00:00Z: better",
        "    promoted   by ann, run 12, in the running tasks: it won",
        "    probation  goes on",
    ] == history_lines({"at": None, "stays": [stay()]}, NOW)


def test_what_is_not_known_is_said() -> None:
    """A version of another program, never decided on; one that is gone; a moment in which nothing served."""
    origin = {
        "author": "", "trained_at": "2026", "run": "", "commit": "", "begin": "", "until": "", "parent": "", "gate": "",
    }  # fmt: skip
    bare = stay(
        origin=origin, decided=None, probation="", beside="", release="", run="", kind="", why="", back=True, until=NOW
    )
    assert [
        f"prod  v1.2  from {clock_time(NOW - 60, NOW)} until {clock_time(NOW, NOW)}",
        "    trained    by nobody who is named, at 2026",
        "    approved   by nobody until then",
        "    promoted   by ann, on the way back",
    ] == history_lines({"at": None, "stays": [bare]}, NOW)
    assert "    trained    not known any more" in history_lines({"at": None, "stays": [stay(origin=None)]}, NOW)
    assert ["no model served yet"] == history_lines({"at": None, "stays": []}, NOW)
    assert [f"no model served at {clock_time(NOW, NOW)}"] == history_lines({"at": NOW, "stays": []}, NOW)
