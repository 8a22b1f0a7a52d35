"""Processing job: inputs `model` and `test` (prepared rows), perhaps `baseline`, to output/bias/analysis.json, in
Clarify's shape.

`baseline` is the analysis.json of an earlier training: with it, output/bias/constraint_violations.json says which
metrics are worse.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.bias import analysis, facet, violations
from training.container import json_object
from training.parameters import Parser
from training.steps.folders import given, left, read_rows, write_reports
from training.trained import read_trained

REGIONAL = "carrier=MQ,EV,9E,YV,OO"
OPTIONS: dict[str, dict[str, Any]] = {
    "facet": {"action": "append", "type": str, "help": f"a group, such as {REGIONAL}; may be there many times"},
    "group-variable": {"type": str, "help": "the column that CDDL and CDDPL are conditioned on"},
}


def run(base: Path, options: list[str]) -> None:
    """Raises WrongModel, WrongData, ValueError for a facet that is none or a baseline that is no analysis."""
    asked = Parser("training.container bias", __doc__, OPTIONS).parse_args(options)
    if not asked.facet:
        raise ValueError(f"bias: found no --facet, allowed is one or more, such as --facet {REGIONAL}")
    facets = [facet(text) for text in asked.facet]
    place = left(base, "bias")
    baseline = json_object(given(base, "baseline") / "analysis.json")
    rows = read_rows(given(base, "test"))
    scores = read_trained(given(base, "model")).predict(rows)
    found = analysis(rows, scores, facets, asked.group_variable)
    reports: dict[Path, Any] = {place / "analysis.json": found}
    if baseline is not None:
        reports[place / "constraint_violations.json"] = violations(found, baseline)
    write_reports(reports)
