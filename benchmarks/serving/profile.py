"""Where our service's time goes, function by function: what to read when a budget was missed."""

from __future__ import annotations

import pstats
from dataclasses import replace
from pathlib import Path

from benchmarks.figures import Tell
from benchmarks.serving.cells import Cell
from benchmarks.serving.contestants import CONTESTANTS, OURS, Stand
from benchmarks.serving.load import load
from benchmarks.serving.material import Material
from benchmarks.serving.servers import Server, uninterrupted
from shipway.local.router.ports import draw_free

_SECONDS = 3
_LINES = 20
_PROGRAM = """
import cProfile, os, sys
from ml_model_service.main import main
profile = cProfile.Profile()
profile.runcall(main, sys.argv[2:])
profile.dump_stats(sys.argv[1])
os._exit(0)
"""


def profile(cell: Cell, folder: Path, material: Material, tell: Tell) -> list[str]:
    """The functions with the most time of their own under a cell's load, in microseconds a request.

    The profiler makes Python functions look dearer than they are, built-in ones hardly; it sees the main thread only.
    """
    folder.mkdir(parents=True)
    contestant = CONTESTANTS[OURS]
    launch = contestant.launch(Stand(draw_free([]), folder, material, tell))
    argv, port = list(launch.argv), int(launch.env["PORT"])
    stats = folder / "profile"
    # `python -m ml_model_service` leaves without the interpreter's goodbye, in which cProfile writes.
    argv[1:3] = ["-c", _PROGRAM, str(stats)]
    server = Server(OURS, port, replace(launch, argv=argv), folder / "log")
    try:
        bodies = material.bodies_file(contestant.protocol, cell.rows)
        server.wait_until_answering(contestant.path, bodies.read_bytes().splitlines()[0])
        sample = load(port, contestant.path, bodies, cell.connections, _SECONDS, server.processes())
    finally:
        with uninterrupted():
            server.stop()
    return _lines(stats, sample.requests)


def _lines(stats: Path, requests: int) -> list[str]:
    found: dict[tuple[str, int, str], tuple[int, int, float, float, object]]
    found = pstats.Stats(str(stats)).stats  # type: ignore[attr-defined]
    # What is called once in a while belongs to the start.
    often = [entry for entry in found.items() if entry[1][1] > requests / 10]
    lines = ["µs/request, own  with callees  calls/request  function"]
    for (file, line, name), (_, calls, own, whole, _) in sorted(often, key=lambda entry: -entry[1][2])[:_LINES]:
        where = f"{Path(file).name}:{line} " if line else ""
        per = f"{own / requests * 1e6:16.1f} {whole / requests * 1e6:13.1f} {calls / requests:14.2f}"
        lines.append(f"{per}  {where}{name}")
    return lines
