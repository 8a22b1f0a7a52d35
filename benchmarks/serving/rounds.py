"""Contestants measured in turns, so that what else the machine does meets all of them alike.

Everyone in a seating is started before its first round and idles while others are measured. Who does not idle quietly
gets a seating with ours alone, is suspended while ours is asked, and is compared with what ours did there.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.figures import Tell
from benchmarks.serving.bare_call import BARE, BareCall
from benchmarks.serving.cells import CELLS, MANY_ROWS, ONE_ROW, Cell, Plan
from benchmarks.serving.checking import Checked, check
from benchmarks.serving.contestants import CONTESTANTS, OURS, Contestant, Stand
from benchmarks.serving.load import Sample, load
from benchmarks.serving.material import Material
from benchmarks.serving.servers import Server, cpu_seconds, settle, uninterrupted
from shipway.core.errors import ShipwayError
from shipway.local.router.ports import draw_free

MOST_SECONDS = 6
_IDLE = 1.0


@dataclass(frozen=True, slots=True)
class Round:
    """Everyone's samples of one turn; who failed has none. `crowd` is the seating of the quiet ones."""

    cell: Cell
    crowd: bool
    samples: Mapping[str, Sample]


@dataclass(slots=True)
class Results:
    """What the rounds brought. `faults` names contestants that failed, `idle` is the share of a core each takes unasked.

    `answered` counts our service's answers, `metrics` says whether its `/metrics` answered after the load.
    """

    rounds: list[Round] = field(default_factory=list)
    checked: dict[str, Checked] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    idle: dict[str, float] = field(default_factory=dict)
    answered: int = 0
    metrics: bool = False

    def samples(self, cell: Cell, name: str) -> list[Sample]:
        """A contestant's samples in a cell; ours are those among the crowd, where there is one."""
        found = [(round.crowd, round.samples[name]) for round in self.rounds if self._has(round, cell, name)]
        crowd = any(among for among, _ in found)
        return [sample for among, sample in found if among or not crowd]

    def pairs(self, cell: Cell, name: str, other: str) -> list[tuple[Sample, Sample]]:
        """Both samples of every round in which both were measured."""
        return [
            (round.samples[name], round.samples[other])
            for round in self.rounds
            if self._has(round, cell, name) and other in round.samples
        ]

    @staticmethod
    def _has(round: Round, cell: Cell, name: str) -> bool:
        return round.cell == cell and name in round.samples


class Seating:
    """Contestants that are up at the same time, each with a folder of its own below `folder`."""

    def __init__(self, names: Sequence[str], folder: Path, material: Material, results: Results, tell: Tell) -> None:
        self._names = names
        self._crowd = any(CONTESTANTS[name].quiet for name in names if name != OURS)
        self._folder, self._material, self._results, self._tell = folder, material, results, tell
        self._servers: dict[str, Server] = {}
        self._bare: BareCall | None = None

    def measure(self, plan: Plan) -> None:
        """Start everyone, go through all cells, stop everyone. A contestant that fails is out, with its fault noted."""
        try:
            for name in self._names:
                try:
                    self._start(CONTESTANTS[name])
                except ShipwayError as error:
                    self._put_out(name, error)
            if list(self._servers) == [OURS] and len(self._names) > 1:
                return
            self._look_at_idleness()
            if self._crowd:
                self._bare = BareCall(self._material, MANY_ROWS.rows, self._tell)
            for cell in self._cells():
                for number in range(plan.times(cell)[0]):
                    self._go_round(cell, number, plan.times(cell)[1])
                rates = (f"{name} {sample.rate:,.0f}" for name, sample in self._results.rounds[-1].samples.items())
                self._tell(f"{cell}: {', '.join(rates)}")
            if OURS in self._servers:
                self._results.metrics = self._servers[OURS].ask("/metrics", None)[0] == 200
        finally:
            with uninterrupted():
                self._stop()

    def _cells(self) -> list[Cell]:
        """What anyone but ours, which would go through all of them, is to be measured in."""
        wanted = [CONTESTANTS[name].cells for name in self._names if name != OURS or len(self._names) == 1]
        return [cell for cell in CELLS if any(cell in cells for cells in wanted)]

    def _start(self, contestant: Contestant) -> None:
        folder = self._folder / contestant.name
        folder.mkdir(parents=True)
        stand = Stand(draw_free([]), folder, self._material, self._tell)
        server = Server(contestant.name, stand.port, contestant.launch(stand), folder / "log")
        self._servers[contestant.name] = server
        body = self._material.bodies_file(contestant.protocol, 1).read_bytes().splitlines()[0]
        server.wait_until_answering(contestant.path, body)
        checked = self._results.checked[contestant.name] = check(contestant, server, self._material)
        self._load(contestant.name, ONE_ROW, 1)
        off = "" if checked.difference is None else f", predictions at most {checked.difference:.2g} off"
        self._tell(f"{contestant.name}: warm{off}")

    def _look_at_idleness(self) -> None:
        """How much of a core each takes while nobody asks."""
        processes = {name: server.processes() for name, server in self._servers.items()}
        before = {name: cpu_seconds(found) for name, found in processes.items()}
        time.sleep(_IDLE)
        for name, found in processes.items():
            self._results.idle[name] = (cpu_seconds(found) - before[name]) / _IDLE

    def _go_round(self, cell: Cell, number: int, seconds: int) -> None:
        samples: dict[str, Sample] = {}
        names = [name for name in self._servers if cell in CONTESTANTS[name].cells]
        # Another one begins each time.
        for name in names[number % len(names) :] + names[: number % len(names)]:
            wave = self._results.checked[name].seconds[cell.rows] * cell.connections
            try:
                # Two waves at least: of a slower server's first one nothing might be back in time.
                samples[name] = self._load(name, cell, max(seconds, min(MOST_SECONDS, math.ceil(2 * wave))))
            except ShipwayError as error:
                self._put_out(name, error)
        if cell == MANY_ROWS and self._bare is not None:
            samples[BARE] = self._bare.measure(seconds)
        self._results.rounds.append(Round(cell, self._crowd, samples))

    def _load(self, name: str, cell: Cell, seconds: int) -> Sample:
        contestant, server = CONTESTANTS[name], self._servers[name]
        bodies = self._material.bodies_file(contestant.protocol, cell.rows)
        processes = server.processes()
        with self._loud_ones_suspended(name):
            sample = load(server.port, contestant.path, bodies, cell.connections, seconds, processes)
            settle(processes)
        if name == OURS:
            self._results.answered += sample.requests
        return sample

    @contextmanager
    def _loud_ones_suspended(self, name: str) -> Iterator[None]:
        """Meanwhile nobody but the one who is asked takes any of the machine."""
        others = (server for other, server in self._servers.items() if other != name and not CONTESTANTS[other].quiet)
        suspended = [process for server in others for process in server.processes()]
        try:
            for process in suspended:
                process.suspend()
            yield
        finally:
            for process in suspended:
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    def _put_out(self, name: str, error: ShipwayError) -> None:
        server = self._servers.pop(name, None)
        self._results.faults[name] = error.what
        self._tell(f"✘ {name}: {error.what}" + (f"\n{error.state}" if error.state else ""))
        if server is not None:
            server.stop()

    def _stop(self) -> None:
        if self._bare is not None:
            self._bare.stop()
        for server in self._servers.values():
            server.stop()
