"""Log lines of CloudWatch: the newest ones, whose they are, and what came since."""

from __future__ import annotations

import pytest

from shipway.aws.calls import Calls
from shipway.aws.log_lines import EVERY, LogLines
from shipway.core.errors import UsageError
from shipway.core.logs.asked import Asked
from tests.cli.worlds import OnAws


@pytest.fixture
def lines(aws: OnAws) -> LogLines:
    clock = aws.aws.clock
    return LogLines(Calls("us-east-1", client=aws.aws.clients, sleep=clock.sleep), lambda: clock.now)


GROUP = "/ecs/hello/prod"


def test_the_newest_lines_are_read_from_the_end(aws: OnAws, lines: LogLines) -> None:
    """One page of them, oldest first in the answer."""
    aws.write("prod", "r1", [f"line {n}" for n in range(5000)])
    assert ["line 4998", "line 4999"] == [line.text for line in lines.newest((GROUP,), Asked(2))]
    assert 1 == aws.aws.clients.called.count("logs:FilterLogEvents")


def test_narrowed_lines_are_looked_for_further_back(aws: OnAws, lines: LogLines) -> None:
    """Over several pages, in capitals or not."""
    aws.write("prod", "r1", ["The ONE", *(f"line {n}" for n in range(25_000))])
    assert ["The ONE"] == [line.text for line in lines.newest((GROUP,), Asked(10, grep="the one"))]
    assert 3 == aws.aws.clients.called.count("logs:FilterLogEvents")


def test_a_follower_is_told_each_line_once_and_asks_no_sooner_than_every_two_seconds(
    aws: OnAws, lines: LogLines
) -> None:
    """AWS allows few of these calls."""
    aws.write("prod", "r1", ["one", "two"])
    assert ["one", "two"] == [line.text for line in lines.newest((GROUP,), Asked(10))]
    aws.write("prod", "r1", ["three"])
    began = aws.aws.clock.now
    assert ["one", "two", "three"] == [line.text for line in lines.newest((GROUP,), Asked(10))]
    assert EVERY == aws.aws.clock.now - began


def test_a_group_that_is_not_there_has_no_lines(lines: LogLines) -> None:
    """Terraform makes it with its service."""
    assert [] == lines.newest(("/ecs/moon/prod",), Asked(10))


def test_nothing_is_read_where_nothing_is_asked_for(aws: OnAws, lines: LogLines) -> None:
    """Zero lines are zero lines."""
    aws.write("prod", "r1", ["one"])
    assert [] == lines.newest((GROUP,), Asked(0))


def test_a_line_belongs_to_the_release_of_its_task(aws: OnAws) -> None:
    """Also when the task is gone long since: the stream's name says it."""
    aws.write("prod", "r1", ["old"])
    aws.desk.deploy("c2", None, "ann")
    aws.write("prod", "r2", ["new"])
    told = aws.desk.logs(Asked(10), {"environment": "prod"})
    assert [("r1", "old"), ("r2", "new")] == [(line.release, line.line) for line in told]
    assert ["old"] == [line.line for line in aws.desk.logs(Asked(10), {"release": "r1"})]


@pytest.mark.parametrize(("key", "allowed"), [("environment", "dev, prod"), ("service", "hello"), ("release", "r1")])
def test_a_name_that_nothing_has_is_usage(aws: OnAws, key: str, allowed: str) -> None:
    """No line is not the same as no such place."""
    with pytest.raises(UsageError, match=f"no {key} 'moon'; there are: {allowed}"):
        aws.desk.logs(Asked(10), {key: "moon"})


def test_a_build_says_what_it_wrote(aws: OnAws) -> None:
    """Of each service, by the run."""
    run = aws.run(1)
    build = next(action for action in aws.aws.passes[0].actions if action["actionName"] == "hello")
    stream = build["output"]["executionResult"]["externalExecutionId"].rpartition(":")[2]
    aws.aws.log("/aws/codebuild/hello-build", stream, ["collected 7 items", "7 passed"])
    aws.aws.log("/aws/codebuild/hello-build", "another", ["of another run"])
    assert ["7 passed"] == aws.desk.build_log(run, Asked(1))
