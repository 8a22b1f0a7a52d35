"""`python -m tests.replay.recomputed < reported.json`: every figure that a replay reported, beside the one found here."""

from __future__ import annotations

import json
import math
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tests.replay.recomputed import figures, looks
from tests.replay.recomputed.flights import Flight, Key, flights
from tests.replay.recomputed.gates import Model, agrees, gate
from tests.replay.recomputed.probations import compared
from tests.replay.recomputed.traffic import Asked, Captured, Label, asked, captured, labels, variant_of

MOST_UNEQUAL = 0.001
"""Of the captured rows."""
MOST_UNPAIRED = 0.05
"""By how much the rows of a look at a probation may differ: labels that came while it read."""
_SAME = 1e-9


@dataclass
class Told:
    """Lines about what was compared; `ok` while everything is as it was reported."""

    ok: bool = True
    lines: list[str] = field(default_factory=list)

    def __call__(self, is_so: bool, said: str) -> None:
        self.ok = self.ok and is_so
        print(f"{'✔' if is_so else '✘'} {said}", flush=True)


@dataclass(frozen=True)
class Played:
    """What lies in the app's state, and what was `reported`: the replay, its trainings, its probations, the gate's limits."""

    reported: Mapping[str, Any]

    @property
    def state(self) -> Path:
        """The folder of buckets and data."""
        return Path(self.reported["state"])

    @property
    def bucket(self) -> Path:
        """Of what the monitor reads and writes."""
        return self.state / "monitoring-bucket"

    @property
    def endpoint(self) -> str:
        """The model service's."""
        return str(self.reported["endpoint"])

    @property
    def months(self) -> Sequence[Mapping[str, Any]]:
        """Those that were replayed."""
        months: Sequence[Mapping[str, Any]] = self.reported["months"]
        return months

    @cached_property
    def captured(self) -> Mapping[str, Sequence[Captured]]:
        """By variant."""
        return captured(self.bucket / self.endpoint)

    @cached_property
    def labels(self) -> Mapping[str, Label]:
        """By the prediction's id."""
        return labels(self.bucket / "ground-truth" / self.endpoint)

    @cached_property
    def asked(self) -> Mapping[str, Asked]:
        """By the prediction's id."""
        return asked(Path(self.reported["database"]))

    @cached_property
    def flights(self) -> Mapping[str, Sequence[Flight]]:
        """By month."""
        found = defaultdict(list)
        for flight in flights(self.state / "training-data-bucket"):
            found[flight.day[:7]].append(flight)
        return found


def main() -> int:
    """1 where something is not as it was reported."""
    played, told = Played(json.load(sys.stdin)), Told()
    check_features(played, told)
    for month in played.months:
        check_answers(played, month, told)
        check_look(played, month, told)
    for training in played.reported["trainings"]:
        check_gate(played, training, told)
    for trial in played.reported["probations"]:
        check_probation(played, trial, told)
    return 0 if told.ok else 1


def check_features(played: Played, told: Told) -> None:
    """Every row that a client asked for has the features that its flight had an hour ahead; probes ask for none of these."""
    by_key: defaultdict[Key, list[Flight]] = defaultdict(list)
    for month in played.flights.values():
        for flight in month:
            by_key[flight.key].append(flight)
    count, unequal, example = 0, 0, ""
    for rows in played.captured.values():
        for row in rows:
            one = played.asked.get(row.id)
            if one is not None and one.is_probe:
                continue
            count += 1
            candidates = by_key[one.flight] if one is not None else []
            if not any(_equal(row.features, flight.features) for flight in candidates):
                unequal += 1
                example = example or f", such as {row.id}: {_difference(row, candidates)}"
    told(
        count > 0 and unequal <= MOST_UNEQUAL * count,
        f"features: {count - unequal:,} of {count:,} captured rows as the point-in-time join has them{example}",
    )


def check_answers(played: Played, month: Mapping[str, Any], told: Told) -> None:
    """AUC and Brier score of what was answered and labelled, from captured lines: shadows' are not among them."""
    answered = [
        (row.prediction, played.labels[row.id].value)
        for variant, rows in played.captured.items()
        for row in _within(rows, month)
        if row.id in played.labels and variant_of(played.asked[row.id].version) == variant
    ]
    predictions, outcomes = np.array(answered, dtype=np.float64).reshape(-1, 2).T
    found = {"auc": figures.auc(predictions, outcomes), "brier": figures.brier(predictions, outcomes)}
    same = len(answered) == month["labels"] and all(abs(found[name] - month[name]) < _SAME for name in found)
    shown = ", ".join(f"{name} {value:.6f} (reported {month[name]:.6f})" for name, value in found.items())
    told(same, f"{month['month']}: {shown}, of {len(answered):,} labels (reported {month['labels']:,})")


def check_look(played: Played, month: Mapping[str, Any], told: Told) -> None:
    """The monitor's figures and verdict of a month."""
    version, name = month["serving"], month["month"]
    folder = looks.folder_of(played.bucket / "monitoring" / played.endpoint / version, month["began"], month["ended"])
    if folder is None:
        told(False, f"{name}: the monitor's look at {version} is not there")
        return
    baseline = max((played.bucket / "baselines" / played.endpoint / version).glob("[!.]*"))
    learned = played.state / "ml-models-bucket" / version / "baseline.csv"
    rows = [*_within(played.captured[variant_of(version)], month)]
    found = looks.look(rows, played.labels, learned, baseline, folder)
    for figure in found.figures:
        told(figure.ok, f"{name}: {figure.name} {figure.found:.4f} (reported {figure.reported:.4f})")
    causes = sorted(cause.partition(":")[0] for cause in month["causes"])
    verdict = "drift" if found.causes else "quiet"
    told(
        verdict == month["verdict"] and sorted(found.causes) == causes,
        f"{name}: {verdict} by {', '.join(found.causes) or 'nothing'}"
        f" (reported {month['verdict']} by {', '.join(causes) or 'nothing'}), {len(rows):,} rows",
    )


def check_gate(played: Played, shown: Mapping[str, Any], told: Told) -> None:
    """The verdict of a training, from both models and the tested month."""
    training = shown["training"]
    name, champion, reported = training["window"]["end"], training["champion"], training["found"]["brier_difference"]
    step = next(one for one in training["steps"] if one["name"] == "train")
    challenger = Model.of_step(played.state / "training" / step["digest"] / "ml" / "model")
    found = gate(
        played.reported["limits"],
        challenger,
        Model.of_version(played.state / "ml-models-bucket" / champion),
        played.flights[name],
    )
    kind = training["decision"]["kind"]
    told(
        kind == found.kind and found.rows == training["found"]["labels"] and agrees(reported, found.difference),
        f"{name}: gate {found.kind} (reported {kind}), Brier score {_interval(_named(found.difference))} "
        f"(reported {_interval(reported)}), {found.rows:,} rows, champion {champion}",
    )


def check_probation(played: Played, trial: Mapping[str, Any], told: Told) -> None:
    """What a probation was decided by."""
    reported = trial["found"]["brier_difference"]
    new, before = (played.captured[variant_of(trial[name])] for name in ("version", "before"))
    found = compared(new, before, played.labels, math.floor(trial["since"]), trial["looked"])
    same = abs(found.rows - trial["found"]["labels"]) <= MOST_UNPAIRED * found.rows
    near = abs(reported["value"] - found.difference.value) < figures.NOISE * found.difference.deviation
    back = "taken back" if found.difference.low > 0 else "kept"
    told(
        same and near and back == trial["outcome"],
        f"{trial['version']} on probation: {back} (reported {trial['outcome']}), Brier score "
        f"{_interval(_named(found.difference))} (reported {_interval(reported)}), {found.rows:,} rows "
        f"(reported {trial['found']['labels']:,}) of {found.days} days",
    )


def _named(interval: figures.Interval) -> dict[str, float]:
    """By name."""
    return {name: getattr(interval, name) for name in ("value", "low", "high")}


def _interval(of: Mapping[str, float]) -> str:
    return f"{of['value']:+.5f} [{of['low']:+.5f}, {of['high']:+.5f}]"


def _within(rows: Sequence[Captured], month: Mapping[str, Any]) -> Iterator[Captured]:
    return (row for row in rows if month["began"] <= row.at < month["ended"])


def _equal(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    return all(_same(a.get(name), value) for name, value in b.items())


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, int | float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=_SAME, abs_tol=_SAME)
    return bool(a == b)


def _difference(row: Captured, candidates: Sequence[Flight]) -> str:
    if not candidates:
        return "no such flight"
    wanted = candidates[0].features
    return ", ".join(
        f"{name} {row.features.get(name)!r} for {value!r}"
        for name, value in wanted.items()
        if not _same(row.features.get(name), value)
    )


if __name__ == "__main__":
    sys.exit(main())
