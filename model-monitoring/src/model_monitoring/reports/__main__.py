"""`python -m model_monitoring.reports KIND FILE.json PAGE.html [PAGE.json]`: a page of a file, also as data.

KIND is `bias` for an analysis.json, `evaluation` for an evaluation.json, `card` for a metadata.json; `training`, `pair`
and `version` are for what the platform tells of a training, of two, and of a model version.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from model_monitoring.files import write, write_json
from model_monitoring.reports import bias, card, evaluation, pair, training
from model_monitoring.reports.frame import Page, as_json, render


def _bias(source: Path) -> Page:
    """With the violations that lie beside the analysis, where it was held to a baseline."""
    worse = source.with_name("constraint_violations.json")
    return bias.page(_read(source), _read(worse)["violations"] if worse.exists() else None)


def _version(source: Path) -> Page:
    told = _read(source)
    return card.page(told["metadata"], told)


def _read(source: Path) -> Any:
    return msgspec.json.decode(source.read_bytes())


KINDS: Mapping[str, Callable[[Path], Page]] = {
    "bias": _bias,
    "evaluation": lambda source: evaluation.page(_read(source)),
    "card": lambda source: card.page(_read(source)),
    "training": lambda source: training.page(_read(source)),
    "pair": lambda source: pair.page(_read(source)),
    "version": _version,
}


def main(words: list[str]) -> int:
    """2 for other words, 1 for a file that is not what its kind says."""
    if len(words) not in (3, 4) or words[0] not in KINDS:
        print(__doc__, file=sys.stderr)
        return 2
    kind, source, html, *data = words
    try:
        page = KINDS[kind](Path(source))
        write(Path(html), render(page).encode())
        for file in data:
            write_json(Path(file), as_json(page))
    except (OSError, msgspec.DecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
        print(f"{source} can't be shown as {kind}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
