"""What a rollout waits for, in words; and how seldom it is told where no line can be redrawn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.cli.render.status import status_lines
from shipway.cli.render.story import progress_line
from shipway.cli.render.waiting import SparseNews
from shipway.cli.render.waiting import waits as words
from tests.cli.answers import NOW, Json, count, environment, rollout, run, status, waits

BOTH = (count("predictions", 12, 200), count("predictions", 1340, 200, "stable"))


@pytest.mark.parametrize(
    ("waiting", "expected"),
    [
        (
            waits(count("requests", 12, 50)),
            "waits for clients: 12 of 50 requests; else rolls back in 2 min",
        ),
        (
            waits(count("requests", 31, 50, probes=True), until=NOW + 42),
            "waits for clients: 31 of 50 requests (own probes count); else rolls back in 42 s",
        ),
        (
            waits(count("requests", 7, 50), *BOTH, until=NOW + 5400, then="promote"),
            "waits for clients: 7 of 50 requests, 12 of 200 predictions, stable 1,340 (enough); "
            "else goes on all the same in 2 h",
        ),
        (waits(count("tasks", 2, 3)), "waits for tasks: 2 of 3 ready; else rolls back in 2 min"),
        (
            waits(reason="failed 1 of 60\nrequests", until=NOW - 3),
            "waits for more evidence: failed 1 of 60\N{REPLACEMENT CHARACTER}requests; else rolls back in 0.0 s",
        ),
    ],
)
def test_a_wait_in_words(waiting: Json, expected: str) -> None:
    """What for, how many of how many, how long at most, and what then."""
    assert expected == words(rollout(waiting=waiting), NOW)


def test_a_daemon_that_tells_no_wait_is_understood() -> None:
    """An older one goes on until it is restarted."""
    older = rollout()
    del older["waiting"]
    assert words(older, NOW) is None


def test_the_wait_stands_in_status_and_progress() -> None:
    """`shipway status` says it below the rollout, a follower in place of the shares."""
    looked = status(environment(rollout=rollout(waiting=waits(count("requests", 12, 50)))))
    said = "waits for clients: 12 of 50 requests; else rolls back in 2 min"
    lines = status_lines(looked, NOW)
    assert (
        f"      {said}"
        == lines[lines.index("  · rollout of r42: shifting, 5 % of clients, step 1 of 3: 5 → 25 → 100 %") + 1]
    )
    assert f"  … prod: step 1 of 3 (5 %) {said}" == progress_line(run(), looked, NOW)


def test_news_of_a_wait_that_does_not_move() -> None:
    """It is told when the shortest stay is over, and then at each quarter of the longest wait."""
    news = SparseNews()
    looked = status(environment(rollout=rollout(waiting=waits(*BOTH, holds_from=NOW, until=NOW + 120))))
    told = [second for second in range(-5, 125) if list(news.lines(looked, NOW + second, "12"))]
    assert [0, 30, 60, 90] == told
    assert [] == list(SparseNews().lines(looked, NOW, "13"))


@given(st.lists(st.tuples(st.integers(0, 60), st.floats(-10, 500), st.integers(1, 2)), max_size=300))
def test_news_are_few_whatever_happens(looks: list[tuple[int, float, int]]) -> None:
    """Counts may begin anew and clocks may jump: no step has more lines than quarters of both kinds."""
    news, told = SparseNews(), 0
    for seen, second, step in looks:
        waiting = waits(count("requests", seen, 50), holds_from=NOW, until=NOW + 120)
        told += len(list(news.lines(status(environment(rollout=rollout(step=step, waiting=waiting))), NOW + second)))
    assert told <= 2 * 4 * 4
