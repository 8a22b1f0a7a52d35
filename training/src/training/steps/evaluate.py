"""Processing job: inputs `model`, `test` (prepared rows) and perhaps `champion` (a published version) to the figures
that a gate decides by.

Leaves output/evaluation/evaluation.json, which is equal for equal inputs, and output/latency/latency.json, which is
not.
"""

from __future__ import annotations

from pathlib import Path

from training.comparing import NO_CHAMPION, evaluation, latencies
from training.steps.folders import given, left, no_options, read_rows, write_reports
from training.trained import Trained, WrongModel, read_trained, read_version


def run(base: Path, options: list[str]) -> None:
    """Raises WrongModel, WrongData. A champion that cannot be loaded is said in the figures."""
    no_options(options, "evaluate")
    places = {name: left(base, name) for name in ("evaluation", "latency")}
    candidate = read_trained(given(base, "model"))
    rows = read_rows(given(base, "test"))
    champion, why_none = read_champion(given(base, "champion"))
    if champion is not None and (unknown := [name for name in champion.features if name not in rows.columns]):
        champion, why_none = None, f"the champion takes {', '.join(unknown[:5])}, which the rows do not have"
    write_reports(
        {
            places["evaluation"] / "evaluation.json": evaluation(rows, candidate, champion, why_none),
            places["latency"] / "latency.json": latencies(rows, candidate, champion),
        }
    )


def read_champion(folder: Path) -> tuple[Trained | None, str]:
    """The champion, or why there is none."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return None, NO_CHAMPION
    try:
        return read_version(folder), ""
    except WrongModel as error:
        return None, str(error)
