"""Which line of a log says why a program ended: rarely the last one, which may be noise or the end of a stack trace."""

from __future__ import annotations

import re
from collections.abc import Sequence

from shipway.core.logs.log_line import understood

MAX_LOG = 8000
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_CHATTER = re.compile(
    r"""^\s*(?:
        npm\s+(?:notice|warn|info|http|timing|verb|sill)\b | npm\s+(?:err!|error)\s+(?:a\ complete\ log|.*debug-0\.log)
        | \[?notice\]? | failed\ \(.* | (?:hint|info|debug|note|warning|warn)\b[:\s]
        | [\W_]* | [=\-_*#~\s]{3,}.*[=\-_*#~]{3,} | traceback\ \(most\ recent\ call\ last\):?
        | at\ .+ | file\ ".+",\ line\ \d+.* | node\.js\ v[\d.]+ | goroutine\ \d+.* | exit\ status\ \d+ | \^+
        | \d+%.* | .*\b\d{1,3}%\s*[|▏▎▍▌▋▊▉█#=>].* | .*[█▇▆▅▄▃▂▁━╸]{3,}.* | .*\b\d+/\d+\ \[\d\d:\d\d.*
        | (?:run|done|finished|downloading|collecting|installing|fetching|see)\b.*
        | (?:press|stopping|shutting\ down|shutdown|bye|goodbye|exiting|cleaning\ up)\b.*
        | \[\d+\]\ \[info\].* | info:\s.*
    )$""",
    re.VERBOSE | re.IGNORECASE,
)
_SAYS_WHY = re.compile(
    r"""^\s*(?:
        (?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception|Exit|Fault|Interrupt)\b(?:\s\[\w+\])?(?::|$) | uncaught\s | panic:
        | error(?:\[\w+\])?: | fatal(?:\ error)?: | FAILED\ \S+::| E\s{2,}\S | \[?(?:error|fatal|critical)\]?[:\s]
        | caused\ by:\ | exception\ in\ thread | .*\berror:\ | segmentation\ fault | killed$ | out\ of\ memory
    )
    | :\ (?:command\ not\ found|not\ found|permission\ denied|no\ such\ file\ or\ directory)\b
    | \b(?:cannot\ find\ module|no\ module\ named|address\ already\ in\ use|can't\ open\ file|eaddrinuse|connection\ refused)\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SAYS_LESS = re.compile(
    r"^\s*(?:npm\s+(?:err!|error)|make(?:\[\d+\])?: \*\*\*|.*\b(?:error|failed|failure|fatal)\b)", re.IGNORECASE
)


def headline(lines: Sequence[str]) -> str:
    """The last line that states an error; else the last one that mentions one; else the last that is not noise.

    A line of JSON stands for its message. Empty where there is nothing but noise.

    >>> headline(["Traceback (most recent call last):", "ValueError: no port", "", "npm notice New version!"])
    'ValueError: no port'
    """
    said = [_said(line) for line in lines]
    said = [line for line in said if line and not _CHATTER.match(line)]
    for rule in (_SAYS_WHY, _SAYS_LESS, re.compile("")):
        for line in reversed(said):
            if rule.search(line):
                return re.sub(r"^E\s{2,}", "", line)
    return ""


def with_log(why: str, lines: Sequence[str]) -> str:
    r"""Why something ended: the log's headline is added to the first line, the end of the log follows below.

    >>> with_log("exit code 1", ["ValueError: no port", "npm notice"])
    'exit code 1: ValueError: no port\nValueError: no port\nnpm notice'
    """
    if not lines:
        return why
    says = headline(lines)
    return (f"{why}: {says}" if says else why) + "\n" + "\n".join(lines)[-MAX_LOG:]


def _said(line: str) -> str:
    # Only what a progress bar wrote last is visible.
    shown = _ESCAPES.sub("", line).rstrip("\r\n").rpartition("\r")[2].strip()
    found = understood(shown)
    if not found.structured:
        return shown
    text = ": ".join(
        part for part in (found.message, found.error.strip().splitlines()[-1] if found.error.strip() else "") if part
    )
    return f"error: {text}" if found.level in ("error", "fatal") and text else text
