"""A training as a person reads it: verdict first, then what it rests on, why each step ran, what next."""

from __future__ import annotations

from typing import Any

from shipway.cli.render.training import comparison_lines, training_lines

RUN: dict[str, Any] = {"id": "3", "status": "succeeded", "live": False, "reason": "", "fix": ""}
STEP = {"name": "train", "digest": "d" * 64, "seconds": 12.0, "reused": False, "why": "changed since run 2: parameters"}
TRAINING: dict[str, Any] = {
    "window": {"begin": "2013-01", "end": "2013-07"}, "champion": "v1.0", "version": "v1.1",
    "decision": {"kind": "promote", "reasons": ["surely better"]},
    "found": {
        "labels": 28_000, "brier_difference": None,
        "bias": {"DPPL of origin=EWR": 0.0531, "DI of origin=EWR": 0.9, "DPPL of carrier=MQ": None},
    },
    "search": {
        "trials": 20, "pruned": 6, "brier": 0.153, "first": 0.154, "parameters": {"leaves": "63"}, "reproducible": False,
    },
    "bias": {"note": "about service", "worse": ["DPPL of origin=EWR: Value 0.0531"]},
    "steps": [STEP],
}  # fmt: skip


def shown(**changed: Any) -> str:
    return "\n".join(training_lines({"run": RUN, "training": {**TRAINING, **changed}}))


def test_the_verdict_is_first_and_the_next_command_last() -> None:
    """With the reason, and what to do about a version that waits."""
    lines = shown().splitlines()
    assert "✔ run 3: promote: surely better" == lines[0]
    assert '  Next: shipway model approve v1.1 --why "…"' == lines[-1]


def test_a_search_and_its_limits_are_told() -> None:
    """What it found beside the training without it; that several at a time cannot be repeated."""
    said = shown()
    assert "20, 6 given up; several at a time, so it cannot be repeated exactly" in said
    assert "0.15300, 0.15400 without it" in said
    assert "leaves 63" in said
    assert "given up" not in shown(search=None)


def test_bias_is_a_table_of_metrics_by_group() -> None:
    """What cannot be computed says so; the note and what became worse are beneath."""
    lines = shown().splitlines()
    (heading,) = (line for line in lines if "BIAS" in line)
    assert heading.index("origin=EWR") < heading.index("carrier=MQ")
    (row,) = (line for line in lines if line.startswith("  DPPL"))
    assert ["DPPL", "0.053", "cannot", "be", "computed"] == row.split()
    assert ["DI", "0.900", "–"] == next(line for line in lines if line.startswith("  DI")).split()
    assert "  about service" in lines
    assert "  worse than the champion's training found: DPPL of origin=EWR: Value 0.0531" in lines


def test_a_step_says_why_it_ran() -> None:
    """Or why its result was used again."""
    assert "train     dddddd  took 12 s: changed since run 2: parameters" in shown()
    again = {**STEP, "reused": True, "why": "nothing has changed since run 2"}
    assert "used again: nothing has changed since run 2" in shown(steps=[again])


def test_two_trainings_are_compared_by_their_bias_as_well() -> None:
    """A line for each figure that one of them has."""
    one = {"run": RUN, "training": TRAINING}
    other = {"run": {**RUN, "id": "4"}, "training": {**TRAINING, "found": None, "search": None}}
    row = next(line for line in comparison_lines(one, other) if "DPPL of origin=EWR" in line)
    assert ["0.053", "–"] == row.split()[-2:]
