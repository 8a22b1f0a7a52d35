"""What a loop could not do and tries again: remembered, and logged once for as long as it lasts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from shipway.core.errors import ShipwayError

_log = logging.getLogger(__name__)


class Troubles:
    """What failed, by the name of what was to be done. Not thread-safe by itself."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    @contextmanager
    def noting(self, what: str) -> Iterator[None]:
        """Note an error inside, so that it does not end the look."""
        try:
            yield
        except Exception as error:
            why = str(error) or type(error).__name__
            if self._known.get(what) != why:
                _log.exception("%s: tried again at the next look", what)
            self._known[what] = why
        else:
            self._known.pop(what, None)

    def forget(self, name: str) -> None:
        """What was to be done with `name` need not be done any more."""
        self._known = {what: why for what, why in self._known.items() if name not in what}

    def check(self) -> None:
        """Raise ShipwayError with the first thing that could not be done, if there is one."""
        if found := sorted(f"{what}: {why}" for what, why in self._known.items()):
            raise ShipwayError(found[0] + (f" (and {len(found) - 1} more)" if len(found) > 1 else ""))
