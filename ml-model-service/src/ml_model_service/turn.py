"""Rows that arrive in the same turn of the event loop are predicted together and answered together.

Under load many do: they cost one call of the model instead of many, and their clients are woken up at once. The turn
ends before the loop waits again, so no row is held back for others to arrive. With few clients there are no others, and
a row is answered at once.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Sequence
from itertools import chain, islice

from ml_model_service.formats.media_types import Kind
from ml_model_service.http.messages import Answer, Later, Request
from ml_model_service.versions.model import Model
from ml_model_service.versions.reload import Serving

# from so many rows on, every engine takes less time for all of them in one call; fewer clients cannot send so many
TOGETHER = 4


class Rows(Later):
    """A request of some rows, of (rows * features,) values, to a variant; `asked` and `wanted` are formats."""

    __slots__ = ("asked", "count", "index", "model", "request", "request_id", "serving", "values", "wanted")

    def __init__(
        self, request: Request, request_id: bytes, serving: Serving, index: int,
        asked: Kind, wanted: Kind, values: Sequence[float], count: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.request, self.request_id, self.serving, self.index = request, request_id, serving, index
        self.asked, self.wanted, self.values, self.count = asked, wanted, values, count
        self.model: Model = serving.models[index]


class Turn:
    """Collects the rows of each turn. `answer` makes an answer from predictions, or raises what failed."""

    def __init__(self, answer: Callable[[Rows, list[float] | Exception], Answer]) -> None:
        self._answer = answer
        self._waiting: list[Rows] = []

    def reply(self, rows: Rows) -> Answer | Rows:
        """The answer, or the rows themselves, which are answered at the end of this turn. Raises what the model raises.

        Call it in the event loop's thread.
        """
        if rows.request.clients < TOGETHER:
            return self._answer(rows, _own(rows))
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._end)
        self._waiting.append(rows)
        return rows

    def _end(self) -> None:
        waiting, self._waiting = self._waiting, []
        by_model: dict[int, list[Rows]] = {}
        for rows in waiting:
            by_model.setdefault(id(rows.model), []).append(rows)
        for alike in by_model.values():
            self._resolve(alike)

    def _resolve(self, alike: Sequence[Rows]) -> None:
        """Answer requests to one model."""
        for rows, found in zip(alike, _predictions(alike), strict=True):
            rows.resolve(self._answer_or_fault(rows, found))

    def _answer_or_fault(self, rows: Rows, found: list[float] | Exception) -> Answer | Exception:
        """A fault of one answer is handed on, not raised: the other requests still get theirs."""
        try:
            return self._answer(rows, found)
        except Exception as error:
            return error


def _predictions(alike: Sequence[Rows]) -> Sequence[list[float] | Exception]:
    """For each request its predictions, or what went wrong with it."""
    count = sum([rows.count for rows in alike])
    if count >= TOGETHER:
        try:
            values = array("d", chain.from_iterable([rows.values for rows in alike]))
            found = iter(alike[0].model.engine.predict(values, count))
            shares = [list(islice(found, rows.count)) for rows in alike]
            if len(shares[-1]) == alike[-1].count:
                return shares
        except Exception:
            pass
    # asked for one by one, only the request that is at fault fails
    return [_own(rows) for rows in alike]


def _own(rows: Rows) -> list[float] | Exception:
    """The predictions for one request's rows."""
    engine = rows.model.engine
    try:
        if rows.count == 1:
            return [engine.predict_one(rows.values)]
        return engine.predict(array("d", rows.values), rows.count)
    except Exception as error:
        return error
