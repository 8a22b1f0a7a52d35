"""Logs as the daemon tells them: whose they are, which lines, in which order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipway.core.description.app import App
from shipway.core.errors import UsageError
from shipway.core.releases.run import Run
from shipway.server.verbs.call import Call
from shipway.server.verbs.table import desk_verbs, find
from tests.pipeline.house import House

APP = App.model_validate(
    {
        "app": "hello",
        "services": {"web": {"path": "web", "command": "run", "routes": ["/*"], "ready": "/is-ready"}},
        "environments": {
            "prod": {
                "branch": "main", "port": 8080, "tasks": {"min": 1, "max": 1}, "rollout": {"strategy": "all_at_once"},
            }
        },
    }
)  # fmt: skip


def ask(house: House, *segments: str, **query: object) -> list[Any]:
    verb, parts = find(desk_verbs(house.control), "GET", ["logs", *segments])
    answer: list[Any] = verb(Call("ann", parts, {name: str(value) for name, value in query.items()}, {}))["lines"]
    return answer


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A desk over two tasks of release r1, one run whose tests never began."""
    for number, lines in enumerate((["10:00:01", "10:00:04"], ["10:00:02", "10:00:03"])):
        path = tmp_path / ".shipway" / "logs" / "prod" / f"prod-blue-r1-web-{number}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = [f'{{"time": "2026-11-26T{at}Z", "level": "info", "msg": "{number} at {at}"}}\n' for at in lines]
        path.write_text("starting\n" + "".join(text) + "  a second line\n")
    with (tmp_path / ".shipway" / "logs" / "prod" / "prod-blue-r1-web-0.log").open("a") as file:
        file.write('{"time": "2026-11-26T10:00:05Z", "method": "GET", "path": "/is-ready", "status": 200}\n')
        file.write('{"time": "2026-11-26T10:00:06Z", "level": "error", "msg": "Boom at 10:00:06"}\n')
    run = Run("7", "deploy", "abc1234def", "s", "main", ("prod",), "ann", 0, "refused", "build",
              reason="web: the test command 'pytest' cannot be started: No such file: 'pytest'")  # fmt: skip
    house = House(tmp_path)
    house.app = APP
    house.store.put(run.id, run)
    yield house
    house.close()


def told(house: House, **query: object) -> list[str]:
    return [line["line"].rpartition('"msg": "')[2].rstrip('"}') for line in ask(house, **query)]


def test_lines_of_several_tasks_come_in_the_order_of_their_times(house: House) -> None:
    """A line without a time stays with the one before it, and the first ones with what follows."""
    assert [
        "starting", "0 at 10:00:01", "starting", "1 at 10:00:02", "1 at 10:00:03", "  a second line", "0 at 10:00:04",
        "  a second line", "Boom at 10:00:06",
    ] == told(house, checks=0)  # fmt: skip


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"grep": "BOOM"}, ["Boom at 10:00:06"]),
        ({"errors": 1}, ["Boom at 10:00:06"]),
        ({"since": 1795687205.5}, ["Boom at 10:00:06"]),
        ({"lines": 1}, ["Boom at 10:00:06"]),
        ({"lines": 0}, []),
        ({"service": "web", "environment": "prod", "release": "r1", "grep": "at 10:00:01"}, ["0 at 10:00:01"]),
    ],
)
def test_lines_are_narrowed(house: House, query: dict[str, object], expected: list[str]) -> None:
    """By text in any case, by errors, by time, by number, by whose they are."""
    assert expected == told(house, **query)


def test_checks_are_told_unless_they_are_left_out(house: House) -> None:
    """A health check that went well is only left out where that was asked."""
    assert [True, False] == [any("/is-ready" in line for line in told(house, **q)) for q in ({}, {"checks": 0})]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"environment": "nosuch"}, "no environment 'nosuch'; there are: prod"),
        ({"service": "nosuch"}, "no service 'nosuch'; there are: web"),
        ({"release": "r99"}, "no release 'r99'; there are: none yet"),
        ({"task": "t"}, "no task 't'"),
    ],
)
def test_a_name_that_nothing_has_is_usage(house: House, query: dict[str, object], message: str) -> None:
    """No line is one thing, no such place another: what there is, is named."""
    with pytest.raises(UsageError) as raised:
        ask(house, **query)
    assert raised.value.what.startswith(message)


def test_logs_of_an_environment_that_was_taken_out_are_still_shown(house: House, tmp_path: Path) -> None:
    """Its folder says that there was one."""
    (tmp_path / ".shipway" / "logs" / "old").mkdir()
    (tmp_path / ".shipway" / "logs" / "old" / "old-blue-r0-web-0.log").write_text("bye\n")
    assert ["bye"] == told(house, environment="old")


def test_a_build_whose_tests_could_not_be_started_says_so(house: House, tmp_path: Path) -> None:
    """What ended the run is shown after what the builds wrote, be that nothing."""
    assert [house.run("7").reason] == ask(house, "build", run="7")
    (tmp_path / ".shipway" / "builds").mkdir()
    (tmp_path / ".shipway" / "builds" / "abc1234-api.log").write_text("1 passed\n")
    assert ["1 passed", house.run("7").reason] == ask(house, "build", run="7")


def test_a_long_log_is_read_from_its_end(house: House) -> None:
    """However large it is, and whatever is asked, no more lines are answered than were asked for."""
    path = house.root / ".shipway" / "logs" / "prod" / "prod-blue-r1-web-0.log"
    path.write_text("x" * 300 + "\n" + "".join(f"line {n}\n" for n in range(50_000)))
    os.utime(path, (2e9, 2e9))
    assert ["line 49998", "line 49999"] == told(house, lines=2)
    assert ["line 49000"] == told(house, grep="line 49000")
