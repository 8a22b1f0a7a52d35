"""The search for parameters: the same trials however often it is killed, within the months that are learned from."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Event
from typing import Any

import optuna
import polars as pl
import pytest

from conftest import reason, run, step
from training import tune
from training.journal import whole_lines

WORDS = ["--vary", "leaves=4..31", "--vary", "learning-rate=0.01..0.3,log", "--set", "rounds=4", "--trials", "7"]


@pytest.fixture(scope="module")
def rows(table: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some flights of January to April, as the prepare step leaves them."""
    folder = tmp_path_factory.mktemp("rows")
    labelled = table.filter(pl.col("late").is_not_null() & (pl.col("day").dt.month() <= 4))
    labelled.gather_every(40).write_parquet(folder / "rows.parquet")
    return folder


@pytest.fixture(scope="module")
def undisturbed(rows: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """tuning.json of a search that nothing happened to."""
    return tuned(tmp_path_factory.mktemp("tune"), rows)


def tuned(base: Path, rows: Path, *more: str) -> bytes:
    """What the step leaves; its journal is kept in the base folder."""
    (base / "checkpoints").mkdir(exist_ok=True)
    if not (base / "processing").exists():
        assert 0 == step(base, "tune", *WORDS, *more, inputs={"training": rows}), reason(base)
    else:
        assert 0 == run(base, "tune", *WORDS, *more), reason(base)
    return (base / "processing" / "output" / "tuning" / "tuning.json").read_bytes()


def test_the_first_trial_is_a_training_without_a_search(undisturbed: bytes) -> None:
    """So the best is never worse than that, on the months that are predicted; these are the newest of those known."""
    found = json.loads(undisturbed)
    assert {"leaves": "31", "learning-rate": "0.03"} == found["trials"][0]["parameters"]
    whole = [trial for trial in found["trials"] if trial["state"] == "complete"]
    assert min(trial["brier"] for trial in whole) == found["best"]["brier"] <= found["trials"][0]["brier"]
    assert (["2013-02", "2013-03", "2013-04"], 7, True) == (
        found["months"],
        len(found["trials"]),
        found["reproducible"],
    )
    assert all(len(trial["after_months"]) == 3 for trial in whole)
    assert all(4 <= int(trial["parameters"]["leaves"]) <= 31 for trial in found["trials"])


def test_the_same_search_makes_the_same_trials(undisturbed: bytes, rows: Path, tmp_path: Path) -> None:
    """Byte for byte; another seed makes others."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    assert undisturbed == tuned(tmp_path / "a", rows)
    assert undisturbed != tuned(tmp_path / "b", rows, "--seed", "7")


class Killed(BaseException):
    """As `kill -9` would end it."""


@pytest.mark.parametrize("fits", [1, 2, 8, 12])
def test_a_search_that_was_killed_ends_in_the_same_bytes(
    undisturbed: bytes, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fits: int
) -> None:
    """Whatever month of whatever trial it was killed at: whole trials stay, the broken one is made again."""
    real, calls = tune.fit, []

    def killing(*given: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) == fits:
            raise Killed
        return real(*given, **more)

    monkeypatch.setattr(tune, "fit", killing)
    with pytest.raises(Killed):
        tuned(tmp_path, rows)
    journal = tmp_path / "checkpoints" / "trials.jsonl"
    # killed in the middle of a write, as well
    with journal.open("ab") as file:
        file.write(b'{"op_code": 4, "wor')
    assert undisturbed == tuned(tmp_path, rows)
    per_trial = json.loads(undisturbed)["trials"]
    once = sum(len(trial["after_months"]) for trial in per_trial)
    assert once <= len(calls) <= once + 3


def test_nothing_but_the_broken_trial_is_repeated(
    undisturbed: bytes, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search that ended is not made again by whoever finds its journal."""
    tuned(tmp_path, rows)
    monkeypatch.setattr(tune, "fit", None)
    assert undisturbed == tuned(tmp_path, rows)


def test_a_journal_of_another_search_is_passed_over(undisturbed: bytes, rows: Path, tmp_path: Path) -> None:
    """Other words, other trials: those before do not count."""
    tuned(tmp_path, rows, "--seed", "7")
    assert undisturbed == tuned(tmp_path, rows)


def test_a_trial_that_falls_behind_is_given_up(rows: Path, tmp_path: Path) -> None:
    """It is not predicted to the end, and is not the best."""
    words = ["--vary", "learning-rate=0.0001..0.03,log", "--set", "rounds=20", "--trials", "12"]
    assert 0 == step(tmp_path, "tune", *words, inputs={"training": rows})
    found = json.loads((tmp_path / "processing" / "output" / "tuning" / "tuning.json").read_bytes())
    pruned = [trial for trial in found["trials"] if trial["state"] == "pruned"]
    assert pruned
    assert all(trial["brier"] is None and len(trial["after_months"]) < 3 for trial in pruned)


def test_several_at_a_time_share_the_journal_and_say_that_they_cannot_be_repeated(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As many trials as were asked for, none of them doubled, no lock that somebody waits at."""
    (tmp_path / "checkpoints").mkdir()
    assert 0 == step(tmp_path, "tune", *WORDS, "--trials", "16", "--jobs", "4", inputs={"training": rows})
    found = json.loads((tmp_path / "processing" / "output" / "tuning" / "tuning.json").read_bytes())
    assert (16, 4, False) == (len(found["trials"]), found["jobs"], found["reproducible"])
    assert "another search would make other trials" in capsys.readouterr().out
    assert ["trials.jsonl"] == [path.name for path in (tmp_path / "checkpoints").iterdir()]


def test_the_training_without_a_search_is_tried_whoever_was_killed(
    rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With several at a time others may have ended before it: it is made again, and never given up."""
    (tmp_path / "checkpoints").mkdir()
    real, others, ended = tune.fit, [], Event()

    def killing(*given: Any, **more: Any) -> Any:
        if given[3]["num_leaves"] == 31:
            assert ended.wait(60)
            raise Killed
        others.append(1)
        if len(others) > 3:
            ended.set()
        return real(*given, **more)

    with monkeypatch.context() as patched:
        patched.setattr(tune, "fit", killing)
        with pytest.raises(Killed):
            step(tmp_path, "tune", *WORDS, "--jobs", "2", inputs={"training": rows})
    assert 0 == run(tmp_path, "tune", *WORDS, "--jobs", "2")
    found = json.loads((tmp_path / "processing" / "output" / "tuning" / "tuning.json").read_bytes())
    assert {"leaves": "31", "learning-rate": "0.03"} == found["first"]["parameters"]
    assert found["first"]["number"] > 0
    assert found["best"]["brier"] <= found["first"]["brier"]
    assert 7 == len(found["trials"])


def test_a_trial_left_running_is_closed(rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not stay under way for ever in the study."""

    def killed(*given: Any, **more: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(tune, "fit", killed)
        with pytest.raises(Killed):
            tuned(tmp_path, rows)
    tuned(tmp_path, rows)
    lines = (tmp_path / "checkpoints" / "trials.jsonl").read_text().splitlines()
    (study,) = {one["study_name"] for one in map(json.loads, lines) if "study_name" in one}
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "checkpoints" / "trials.jsonl"))
    states = [trial.state.name for trial in optuna.load_study(
        study_name=study, storage=optuna.storages.JournalStorage(backend)
    ).trials]  # fmt: skip
    assert "FAIL" == states[0]
    assert {"COMPLETE", "PRUNED"} >= set(states[1:])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "found no --vary"),
        (["--vary", "leaves=4..31", "--vary", "leaves=4..31"], "or one twice"),
        (["--vary", "depth=1..2"], "found 'depth=1..2', allowed is NAME=LOW..HIGH"),
        (["--vary", "block=1..2"], "of rounds, learning-rate, leaves, leaf-rows, column-share"),
        (["--vary", "leaves=many..more"], "allowed is NAME=LOW..HIGH"),
        (["--vary", "leaves=1..31"], "--leaves 1: allowed is 2 to 1024"),
        (["--vary", "leaves=64..31"], "allowed is a lower end first: leaves=31..64"),
        (["--vary", "leaves=4..8"], "allowed is a range that holds 31"),
        (["--vary", "leaves=4..31", "--trials", "0"], "--trials 0: allowed is 1 to 10000"),
        (["--vary", "leaves=4..31", "--jobs", "65"], "--jobs 65: allowed is 1 to 64"),
        (["--vary", "leaves=4..31", "--set", "depth=3"], "--set: found 'depth=3'"),
    ],
)
def test_a_search_that_is_none_is_refused(rows: Path, tmp_path: Path, words: list[str], said: str) -> None:
    """Before the first trial, with what is allowed."""
    assert 1 == step(tmp_path, "tune", *words, inputs={"training": rows})
    assert said in reason(tmp_path)


def test_too_few_months_are_refused(rows: Path, tmp_path: Path) -> None:
    """One month has none before it; a month of one outcome teaches nothing."""
    found = pl.read_parquet(rows / "rows.parquet")
    for number, (some, said) in enumerate(
        [
            (found.filter(pl.col("day").dt.month() == 2), "found rows of 2013-02, needed are two months or more"),
            (found.filter((pl.col("day").dt.month() > 1) | ~pl.col("late")), "found one outcome alone before 2013-02"),
        ]
    ):
        folder = tmp_path / f"rows-{number}"
        folder.mkdir()
        some.write_parquet(folder / "rows.parquet")
        assert 1 == step(tmp_path / f"job-{number}", "tune", "--vary", "leaves=4..31", inputs={"training": folder})
        assert said in reason(tmp_path / f"job-{number}")


def test_whole_lines_end_at_the_first_that_is_none() -> None:
    """A torn end, or what a disk made of the middle."""
    assert b"" == whole_lines(b"")
    assert b'{"a": 1}\n' == whole_lines(b'{"a": 1}\n{"a"')
    assert b'{"a": 1}\n' == whole_lines(b'{"a": 1}\n2')
    assert b'{"a": 1}\n' == whole_lines(b'{"a": 1}\n\x00\n{"a": 1}\n')
