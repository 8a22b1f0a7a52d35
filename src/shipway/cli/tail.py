"""What a log gained between two looks at its end."""

from __future__ import annotations


def new_lines(before: list[str], after: list[str]) -> list[str]:
    """The lines of `after` that `before` did not end with: everything behind their longest overlap.

    >>> new_lines(["a", "b", "c"], ["b", "c", "d"])
    ['d']
    """
    for size in range(min(len(before), len(after)), 0, -1):
        if before[-size:] == after[:size]:
            return after[size:]
    return after
