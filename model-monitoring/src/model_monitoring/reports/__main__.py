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

KINDS: Mapping[str, Callable[[Any], Page]] = {"bias": bias.page, "evaluation": evaluation.page, "card": card.page}


def main(words: list[str]) -> int:
    """2 for other words, 1 for a file that is not what its kind says."""
    if len(words) != 3 or words[0] not in KINDS:
        print(__doc__, file=sys.stderr)
        return 2
    kind, source, page = words
    try:
        write(Path(page), render(KINDS[kind](msgspec.json.decode(Path(source).read_bytes()))).encode())
    except (OSError, msgspec.DecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
        print(f"{source} can't be shown as {kind}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
