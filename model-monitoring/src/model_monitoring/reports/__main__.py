"""`python -m model_monitoring.reports bias|evaluation|card FILE.json PAGE.html`: a page of a file that there is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from model_monitoring.files import write
from model_monitoring.reports import bias, card, evaluation
from model_monitoring.reports.frame import Page, render


def _bias(source: Path) -> Page:
    """With the violations that lie beside the analysis, where it was held to a baseline."""
    worse = source.with_name("constraint_violations.json")
    return bias.page(_read(source), _read(worse)["violations"] if worse.exists() else None)


def _read(source: Path) -> Any:
    return msgspec.json.decode(source.read_bytes())


KINDS: Mapping[str, Callable[[Path], Page]] = {
    "bias": _bias,
    "evaluation": lambda source: evaluation.page(_read(source)),
    "card": lambda source: card.page(_read(source)),
}


def main(words: list[str]) -> int:
    """2 for other words, 1 for a file that is not what its kind says."""
    if len(words) != 3 or words[0] not in KINDS:
        print(__doc__, file=sys.stderr)
        return 2
    kind, source, page = words
    try:
        write(Path(page), render(KINDS[kind](Path(source))).encode())
    except (OSError, msgspec.DecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
        print(f"{source} can't be shown as {kind}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
