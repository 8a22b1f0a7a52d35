"""The kinds of load that everyone gets, and how often and how long."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One kind of load: rows in a request, connections at a time."""

    rows: int
    connections: int

    def __str__(self) -> str:
        return f"{self.rows:,} row{'s' * (self.rows > 1)}, {self.connections} connection{'s' * (self.connections > 1)}"


ONE_ROW, MANY_ROWS = Cell(1, 8), Cell(1000, 1)
"""The cells that have budgets."""
CELLS = tuple(Cell(rows, connections) for rows in (1, 10, 1000) for connections in (1, 8, 64))


@dataclass(frozen=True, slots=True)
class Plan:
    """For the cells that have budgets, and for the others."""

    judged_rounds: int
    judged_seconds: int
    rounds: int
    seconds: int = 1

    def times(self, cell: Cell) -> tuple[int, int]:
        """Rounds, and seconds of each load."""
        if cell in (ONE_ROW, MANY_ROWS):
            return self.judged_rounds, self.judged_seconds
        return self.rounds, self.seconds
