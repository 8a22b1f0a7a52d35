"""The command that plays past months: what it takes, what it waits for, what it says at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shipway.cli.client.protocol import Client, Lost, NotRunning
from shipway.cli.commands.replay import PatientPlatform, _to_play
from shipway.cli.main import run as shipway
from shipway.cli.render.replay import replay_lines
from shipway.replay.calendar import Calendar, Month, save

MONTHS = ["--from", "2020-02", "--to", "2020-03"]


class ClientDouble(Client):
    """Raises what it is told to, one error a call, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.calls: list[tuple[str, ...]] = []

    def get(self, *segments: str, **_: Any) -> dict[str, Any]:
        return self._answer(segments)

    def post(self, *segments: str, **_: Any) -> dict[str, Any]:
        return self._answer(segments)

    def _answer(self, segments: tuple[str, ...]) -> dict[str, Any]:
        self.calls.append(segments)
        if self._errors:
            raise self._errors.pop(0)
        return {"kept": 1, "older": []}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "2020-13", "--to", "2020-03"], "'2020-13' is no month; give one such as 2013-07"),
        (["--from", "2020-04", "--to", "2020-03"], "--from 2020-04 is after --to 2020-03"),
        ([*MONTHS, "--sample", "0"], "'0' is no share; give one such as 10% or 0.1"),
        ([*MONTHS, "--sample", "101%"], "'101%' is no share"),
        ([*MONTHS, "--sample", "some"], "'some' is no share"),
    ],
)
def test_wrong_words_are_named(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is looked at."""
    assert 2 == shipway(["replay", *words])
    assert said in capsys.readouterr().err


def test_a_daemon_that_is_away_is_waited_for() -> None:
    """Said once, and then the same call again; records that were put twice are no older than themselves."""
    told: list[str] = []
    client = ClientDouble(Lost("gone"), NotRunning())
    assert [] == PatientPlatform(client, "prod", told.append).put("scale", [{"id": "a"}])
    assert [("environments", "prod", "features", "scale")] * 3 == client.calls
    assert ["  · Shipway does not answer; waiting up to 120 s for it to come back"] == told


def test_one_that_stays_away_ends_the_replay() -> None:
    """With the way to go on."""
    with pytest.raises(NotRunning) as raised:
        PatientPlatform(ClientDouble(NotRunning()), "prod", lambda _: None, patience=-1).await_daemon()
    assert "shipway up --detach, then the same shipway replay: it goes on where it was" == raised.value.fix


@pytest.mark.parametrize(
    ("stage", "sample", "anew", "months"),
    [("sent", 1.0, False, 1), ("sent", 1.0, True, 0), ("sent", 0.5, False, 0), ("over", 1.0, False, 0)],
)
def test_only_an_interrupted_replay_of_the_same_goes_on(
    tmp_path: Path, stage: Any, sample: float, anew: bool, months: int
) -> None:
    """Another one begins; what was brought into the bucket is known all the same."""
    kept = Calendar("prod", "2020-02", "2020-02", 1.0, [Month("2020-02", 5.0, 6.0, stage)], ["2020-02"])
    save(tmp_path / "prod.json", kept)
    played = _to_play(tmp_path / "prod.json", Calendar("prod", "2020-02", "2020-02", sample), anew=anew)
    assert (months, ["2020-02"]) == (len(played.months), played.uploaded)


def test_the_end_is_a_row_for_each_month() -> None:
    """Failures stand out, what is not known is a dash, sums come last."""
    good = Month(
        "2020-02", 5.0, 6.0, "over", 1200, 0, 1100, 30, 1100, 0.75, 0.1, 0.2, 0.25, "v1.0", "drift",
        decision="promote", version="v1.1", promoted=True,
    )  # fmt: skip
    bad = Month("2020-03", 7.0, 8.0, "over", 10, 3)
    lines = replay_lines(Calendar("prod", "2020-02", "2020-03", 1.0, [good, bad]).as_json())
    assert ["✔", "2020-02", "1,200", "0", "1,100", "0.750", "0.100", "0.200", "0.250"] == lines[1].split()[:9]
    assert ["v1.0", "drift", "promote", "v1.1", "promoted"] == lines[1].split()[9:]
    assert ["✘", "2020-03", "10", "3"] == lines[2].split()[:4]
    assert "  1,210 requests, 3 failed, 1,100 outcomes, 30 feature records" == lines[3]
