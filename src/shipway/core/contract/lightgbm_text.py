"""LightGBM's text format, as `GBDT::SaveModelToString` writes it: how it is cut into trees, and trees into fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

CATEGORICAL, DEFAULT_LEFT = 1, 2
"""Bits of a split's `decision_type`."""
MISSING_IS_ZERO, MISSING_IS_NAN = 1, 2
"""What `missing` finds in it."""
WORD = 32
"""Bits of a word of `cat_threshold`."""

_TREE, _END = b"\nTree=", b"\nend of trees"


def cut(text: bytes) -> tuple[bytes, list[bytes], bytes]:
    """The header, the trees, each from its number on, and the rest, which is empty where the text is cut off."""
    whole, end, rest = text.partition(_END)
    head, *trees = whole.split(_TREE)
    return head, trees, end + rest


def joined(head: bytes, trees: Sequence[bytes], rest: bytes) -> bytes:
    """What `cut` cuts."""
    return _TREE.join([head, *trees]) + rest


def size(tree: bytes) -> int:
    """What `tree_sizes` says of a tree: it ends with the newline before the next one."""
    return len(b"Tree=") + len(tree) + 1


def fields(lines: bytes) -> dict[bytes, bytes]:
    r"""The values of each name of a header or a tree.

    >>> fields(b"0\nnum_leaves=2\nthreshold=1 0.5\n")
    {b'num_leaves': b'2', b'threshold': b'1 0.5'}
    """
    return dict(line.split(b"=", 1) for line in lines.split(b"\n") if b"=" in line)


def listed(text: bytes, name: bytes) -> Iterator[bytes]:
    """What all trees' lines of that name list."""
    return chain.from_iterable(map(bytes.split, re.findall(rb"^%b=(.*)$" % name, text, re.MULTILINE)))


def missing(decision_type: int) -> int:
    """Which values the split counts as missing: MISSING_IS_ZERO, MISSING_IS_NAN or 0 for none.

    >>> missing(10) == MISSING_IS_NAN
    True
    """
    return decision_type >> 2 & 3


def words_of(codes: Iterable[int]) -> list[int]:
    """A set of codes as words, which `codes` reads; one word at least.

    >>> words_of([0, 2, 64])
    [5, 0, 1]
    """
    bits = sum(1 << code for code in set(codes))
    return [bits >> start & (1 << WORD) - 1 for start in range(0, max(bits.bit_length(), 1), WORD)]


def codes(words: Sequence[int]) -> Iterator[int]:
    """The codes of a set, whose bits are spread over words.

    >>> list(codes([5, 0, 1]))
    [0, 2, 64]
    """
    return (n * WORD + bit for n, word in enumerate(words) if word for bit in range(WORD) if word >> bit & 1)
