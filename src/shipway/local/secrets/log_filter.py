"""A program: copies what a task writes to the task's log, with *** in place of secrets. `python -I -S log_filter.py FD`.

It reads what to leave out from standard input, as JSON, so that no value stands in its arguments or its environment;
then the task's output from the descriptor FD, to its end; and writes to standard output. It lives as long as anything
of the task does, with or without a daemon. Of Shipway it imports nothing.
"""

import json
import os
import re
import sys

MOST = 64 * 1024
"""Bytes of a line after which its beginning is written, before its end is known."""


def main() -> None:
    """Copy until the task, and all that it started, has closed its output."""
    forms = [form.encode() for form in json.loads(sys.stdin.buffer.read())]
    source = int(sys.argv[1])
    rest = b""
    while chunk := os.read(source, 64 * 1024):
        rest += chunk
        end = rest.rfind(b"\n") + 1
        if not end and len(rest) > MOST:
            end = _safe_end(rest, forms)
        _write(_redacted(rest[:end], forms))
        rest = rest[end:]
    _write(_redacted(rest, forms))


def _redacted(text: bytes, forms: list[bytes]) -> bytes:
    return re.sub(b"|".join(map(re.escape, forms)), b"***", text)


def _safe_end(line: bytes, forms: list[bytes]) -> int:
    """Where a line can be cut without cutting a value, of which the last bytes may still be on their way."""
    end = max(0, len(line) - len(forms[0]) + 1)
    for found in re.finditer(b"|".join(map(re.escape, forms)), line):
        if found.start() < end < found.end():
            return found.end()
    return end


def _write(text: bytes) -> None:
    while text:
        try:
            text = text[os.write(1, text) :]
        except OSError:
            # A full disk: these lines are lost, as they would be without us, and the task goes on.
            return


if __name__ == "__main__":
    main()
