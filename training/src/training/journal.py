"""What a killed program left of a file of JSON lines."""

from __future__ import annotations

import json


def whole_lines(data: bytes) -> bytes:
    """The data up to the first line that is no JSON or has no end."""
    place = 0
    for line in data.splitlines(keepends=True):
        try:
            json.loads(line)
        except ValueError:
            break
        if not line.endswith(b"\n"):
            break
        place += len(line)
    return data[:place]
