"""Words in braces that a description's texts may hold."""

from __future__ import annotations

import re
from collections.abc import Mapping


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with each word in braces replaced by its value, if it has one. Braces inside of values are left alone.

    >>> filled("{data}/{port}", {"data": "/a {port} b"})
    '/a {port} b/{port}'
    """
    return re.sub(r"\{([a-z_]+)\}", lambda found: values.get(found[1], found[0]), text)
