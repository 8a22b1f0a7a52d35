"""The whole reference of the command line: `python -m tests.cli.make_reference > docs/cli.md`."""

from __future__ import annotations

import sys

from shipway.cli.reference import reference
from tests.aws.calls_of_verbs import table


def whole() -> str:
    """The commands' own help, and which calls of AWS each makes."""
    return f"{reference()}\n{table()}"


if __name__ == "__main__":
    sys.stdout.write(whole())
