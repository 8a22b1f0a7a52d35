"""Captured lines to objects of S3: gathered in memory, a minute or 8 MiB of a variant at a time if
nothing else is said, then put whole."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ml_model_service.aws.addresses import S3Address
from ml_model_service.aws.clients import FAULTS, client, told
from ml_model_service.capture.files import MAX_AGE, MAX_BYTES, name_in_hour

_TRIES = 6
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0

Put = Callable[[str, bytes], None]
"""Writes an object, or raises one of FAULTS. The same one again replaces it."""


@dataclass(slots=True)
class _Batch:
    """What becomes one object. `opened` is the moment of its first line (Unix time)."""

    key: str
    opened: float
    lines: list[bytes] = field(default_factory=list)
    size: int = 0
    count: int = 0
    tries: int = 0


class Objects:
    """`<endpoint>/<variant>/yyyy/mm/dd/hh/<minute>-<second>-<random>.jsonl` below an address, as `Files` has it.

    An object that cannot be put is tried six times within half a minute, then its requests are lost. While the first
    one waits for its next try, the others wait behind it.
    """

    def __init__(
        self, put: Put, endpoint: str, steady: Callable[[], float] = time.monotonic, max_age: float = MAX_AGE
    ) -> None:
        """What is `max_age` seconds old is put."""
        self._put, self._endpoint, self._steady, self._max_age = put, endpoint, steady, max_age
        self._open: dict[str, _Batch] = {}
        self._ready: deque[_Batch] = deque()
        self._not_before = float("-inf")
        self.stored = self.lost = self.held = 0

    def write(self, variant: str, moment: float, lines: bytes, count: int) -> None:
        """Keep the lines of `count` requests until their object is put."""
        batch = self._open.get(variant)
        if batch is not None and (batch.size >= MAX_BYTES or moment // 3600 != batch.opened // 3600):
            self._ready.append(self._open.pop(variant))
            batch = None
        if batch is None:
            name = name_in_hour(variant, moment, secrets.token_hex(8))
            batch = self._open[variant] = _Batch(f"{self._endpoint}/{name}", moment)
        batch.lines.append(lines)
        batch.size += len(lines)
        batch.count += count
        self.held += len(lines)

    def tend(self, now: float) -> None:
        """Put what is old enough. Raises OSError with the reason where that failed."""
        for variant, batch in list(self._open.items()):
            # with a clock that was set back nobody knows
            if not 0 <= now - batch.opened < self._max_age:
                self._ready.append(self._open.pop(variant))
        while self._ready and self._steady() >= self._not_before:
            self._put_next()

    def close(self) -> None:
        """Put everything, in two tries at most. Raises OSError where some of it was lost."""
        self._ready.extend(self._open.values())
        self._open.clear()
        reason: OSError | None = None
        while self._ready:
            self._ready[0].tries = max(self._ready[0].tries, _TRIES - 2)
            try:
                self._put_next()
            except OSError as error:
                reason = error
        if reason is not None:
            raise reason

    def _put_next(self) -> None:
        batch = self._ready[0]
        try:
            self._put(batch.key, b"".join(batch.lines))
        except FAULTS as error:
            batch.tries += 1
            self._not_before = self._steady() + min(_FIRST_PAUSE * 2.0 ** (batch.tries - 1), _LONGEST_PAUSE)
            if batch.tries >= _TRIES:
                self.lost += batch.count
                self._forget_first()
            raise OSError(f"cannot put {batch.key}, try {batch.tries} of {_TRIES}: {told(error)}") from error
        self.stored += batch.count
        self._not_before = float("-inf")
        self._forget_first()

    def _forget_first(self) -> None:
        self.held -= self._ready.popleft().size


def putting_at(address: S3Address) -> Put:
    """Puts objects below the address. Raises NoClient without a region."""
    s3 = client("s3")
    kind = "application/jsonl"
    return lambda key, data: s3.put_object(Bucket=address.bucket, Key=address.key(key), Body=data, ContentType=kind)
