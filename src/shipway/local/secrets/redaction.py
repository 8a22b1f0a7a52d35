"""Takes the values of secrets out of what programs write."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

SHORTEST = 8
"""Characters. What is shorter stays: it would blank out ordinary words, and tell by that what it is."""
MASK = "***"


def forms(values: Iterable[str]) -> list[str]:
    r"""What stands in a text where a value does, the longest first.

    The value, each of its lines, and both as Python, JSON and URLs write them.

    >>> forms(["a b\tc d\te"])
    ['a%20b%09c%20d%09e', 'a+b%09c+d%09e', 'a b\\tc d\\te', 'a b\tc d\te']
    """
    texts = {text.strip() for value in values for text in (value, *value.splitlines())}
    written = {
        form
        for text in texts
        if len(text) >= SHORTEST
        for form in (
            *(text, repr(text)[1:-1], json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]),
            *(quote(text, safe=""), quote(text), quote_plus(text)),
        )
    }
    return sorted(written, key=lambda form: (-len(form), form))


def redacted(text: str, values: Iterable[str]) -> str:
    """The text with *** in place of every value.

    >>> redacted("GET /?key=of%20great%20value", ["of great value"])
    'GET /?key=***'
    """
    found = forms(values)
    return re.sub("|".join(map(re.escape, found)), MASK, text) if found else text
