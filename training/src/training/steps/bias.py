"""Processing job: inputs `model` and `test` (prepared rows) to output/bias/analysis.json, in Clarify's shape."""

from __future__ import annotations

from pathlib import Path

from training.bias import analysis, facet
from training.parameters import Parser
from training.steps.folders import given, left, read_rows, write_reports
from training.trained import read_trained

REGIONAL = "carrier=MQ,EV,9E,YV,OO"
OPTIONS = {"facet": {"action": "append", "type": str, "help": f"a group, such as {REGIONAL}; may be there many times"}}


def run(base: Path, options: list[str]) -> None:
    """Raises WrongModel, WrongData, ValueError for a facet that is none."""
    asked = Parser("training.container bias", __doc__, OPTIONS).parse_args(options).facet
    if not asked:
        raise ValueError(f"bias: found no --facet, allowed is one or more, such as --facet {REGIONAL}")
    facets = [facet(text) for text in asked]
    place = left(base, "bias")
    rows = read_rows(given(base, "test"))
    scores = read_trained(given(base, "model")).predict(rows)
    write_reports({place / "analysis.json": analysis(rows, scores, facets)})
