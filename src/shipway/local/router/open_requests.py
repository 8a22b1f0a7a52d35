"""Requests under way that have no answer yet, as `show sess` lists them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

MOST_LOOKED_AT = 200
"""Requests that are asked about one by one at one look, the youngest first: old ones are streams, or over soon."""
_LEAST_AGE = 2
_SESSION = re.compile(r"(0x[0-9a-f]+): proto=\S+ .*\bbe=public\.(\S+)\.(blue|green)\.\S+ .*\bage=(\S+) ")
_AGE = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A request that came at least `seconds` ago (a second or more) and has not ended; `id` is HAProxy's."""

    id: str
    environment: str
    side: str
    seconds: float


def listed(text: str) -> list[OpenRequest]:
    """The requests of clients in `show sess`, the youngest first; those of the last second are left out.

    >>> line = "0x1f: proto=tcpv4 src=127.0.0.1:1 fe=edge.prod be=public.prod.green.web srv=s1 ts=00 age=1m2s calls=3 "
    >>> listed(line)
    [OpenRequest(id='0x1f', environment='prod', side='green', seconds=61.0)]
    """
    found = (_SESSION.match(line) for line in text.splitlines())
    # HAProxy subtracts whole seconds from whole seconds: a request of 1.1 s may be called 2 s old.
    aged = ((match, _seconds(match[4])) for match in found if match)
    requests = [OpenRequest(match[1], match[2], match[3], age - 1.0) for match, age in aged if age >= _LEAST_AGE]
    return sorted(requests, key=lambda request: request.seconds)[:MOST_LOOKED_AT]


def without_head(requests: Iterable[OpenRequest], text: str) -> list[OpenRequest]:
    """Those that wait for the head of an answer and have sent all of their request, by `show sess <id>` of each."""
    waiting = {
        session.split(":", 1)[0]
        for session in re.split(r"^(?=0x[0-9a-f]+: )", text, flags=re.MULTILINE)
        if re.search(r"\breq\.st=MSG_(?:DONE|CLOSING|CLOSED|TUNNEL) rsp\.st=MSG_RPBEFORE\b", session)
    }
    return [request for request in requests if request.id in waiting]


def _seconds(age: str) -> int:
    match = _AGE.fullmatch(age)
    if match is None:
        return 0
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
