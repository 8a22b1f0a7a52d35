"""Rows that arrive in the same turn of the event loop are predicted together and answered together.

Under load many do: they cost one call of the model instead of many, and their clients are woken up at once. The turn
ends before the loop waits again: nobody ever waits for company. With few clients there is none to be had, and a row is
answered on the spot.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Sequence
from itertools import chain

from ml_model_service.engines import Engine
from ml_model_service.model import Model
from ml_model_service.reload import Serving
from ml_model_service.server import Answer, Later, Request

# rows from which every engine takes less time for all at once, and clients from which there may be so many
TOGETHER = 4


class Row(Later):
    """A request of one row, of (features,) values, to a variant."""

    __slots__ = ("index", "model", "request", "request_id", "serving", "values")

    def __init__(self, request: Request, request_id: bytes, serving: Serving, index: int, values: list[float]) -> None:
        super().__init__()
        self.request, self.request_id, self.values = request, request_id, values
        self.serving, self.index = serving, index
        self.model: Model = serving.models[index]


class Turn:
    """Collects the rows of each turn. `answer` makes the answer to a row from its prediction, or raises what failed."""

    def __init__(self, answer: Callable[[Row, float | Exception], Answer]) -> None:
        self._answer = answer
        self._rows: list[Row] = []

    def reply(self, row: Row) -> Answer | Row:
        """The answer, or the row, which is answered at the end of this turn. Raises what went wrong with it.

        Call it in the event loop.
        """
        if row.request.clients < TOGETHER:
            return self._answer(row, _prediction(row.model.engine, row))
        if not self._rows:
            asyncio.get_running_loop().call_soon(self._end)
        self._rows.append(row)
        return row

    def _end(self) -> None:
        rows, self._rows = self._rows, []
        by_model: dict[int, list[Row]] = {}
        for row in rows:
            by_model.setdefault(id(row.model), []).append(row)
        for alike in by_model.values():
            self._resolve(alike)

    def _resolve(self, rows: Sequence[Row]) -> None:
        """Answer rows of one model."""
        for row, found in zip(rows, _predictions(rows[0].model.engine, rows), strict=True):
            row.resolve(self._answer_or_fault(row, found))

    def _answer_or_fault(self, row: Row, found: float | Exception) -> Answer | Exception:
        """What is wrong with one answer must not leave the other rows without theirs."""
        try:
            return self._answer(row, found)
        except Exception as error:
            return error


def _predictions(engine: Engine, rows: Sequence[Row]) -> Sequence[float | Exception]:
    """For each row its prediction, or what went wrong with it."""
    if len(rows) >= TOGETHER:
        try:
            found = engine.predict(array("d", chain.from_iterable(row.values for row in rows)), len(rows))
            if len(found) == len(rows):
                return found
        except Exception:
            pass
    # whose fault it was shows when each is asked for alone
    return [_prediction(engine, row) for row in rows]


def _prediction(engine: Engine, row: Row) -> float | Exception:
    try:
        return engine.predict_one(row.values)
    except Exception as error:
        return error
