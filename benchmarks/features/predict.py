"""`POST /api/predict` of Ontime's backend, with the feature store and without: two tasks beside one model service."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.figures import Effort, Figure, Tell
from benchmarks.serving.contestants import CONTESTANTS, OURS, Stand
from benchmarks.serving.environments import environment
from benchmarks.serving.load import Invalid, Sample, load, need_wrk
from benchmarks.serving.material import make
from benchmarks.serving.servers import Launch, Server, clean_environment, settle, uninterrupted
from benchmarks.throwaway import CHECKOUT
from shipway.core.features.record import Record
from shipway.demo.commands import must
from shipway.local.features.online_store import OnlineStore, online_file
from shipway.local.router.ports import draw_free

PATH, CONNECTIONS = "/api/predict", 8
KEPT = 0.9
_BACKEND = CHECKOUT / "backend-api"
_ROUNDS: dict[Effort, int] = {"quick": 3, "normal": 7, "full": 15}
_SECONDS: dict[Effort, int] = {"quick": 2, "normal": 3, "full": 5}
_AT = 1_372_935_600.0  # 07:00 in New York, an hour and more before the flights leave


def measure(effort: Effort, folder: Path, tell: Tell) -> Iterator[Figure]:
    """Rates of rounds that take turns; each answer rests on live records where there is a store."""
    need_wrk()
    bodies = folder / "flights.jsonl"
    bodies.write_text("".join(f"{json.dumps(flight)}\n" for flight in _flights()))
    file = _filled(folder / "state")
    with ExitStack() as stack:
        model = _model_service(folder, stack, tell)
        faces = {"without the store": "", "with it": file.as_uri()}
        servers = {name: _backend(folder, name, model, store, stack, tell) for name, store in faces.items()}
        probe = bodies.read_bytes().splitlines()[0]
        for (name, server), basis in zip(servers.items(), ("typical", "live"), strict=True):
            server.wait_until_answering("/ready")
            status, answer = server.ask(PATH, probe)
            if status != 200 or json.loads(answer)["basis"] != {"airport": basis, "weather": basis}:
                raise Invalid(f"{name}: {status}, {answer.decode(errors='replace')[:300]}")
        samples: dict[str, list[Sample]] = {name: [] for name in servers}
        for number in range(_ROUNDS[effort] + 1):
            # Each is the first in every other round: the second one meets what the first has left to do.
            for name, server in list(servers.items())[:: 1 if number % 2 else -1]:
                processes = server.processes()
                sample = load(server.port, PATH, bodies, CONNECTIONS, _SECONDS[effort], processes)
                settle(processes)
                # The first round warms up.
                if number:
                    samples[name].append(sample)
    for name, found in samples.items():
        cpu = sorted(sample.cpu for sample in found)[len(found) // 2] * 1e6
        rates = tuple(sample.rate for sample in found)
        yield Figure(
            f"/api/predict, 8 connections, {name}", rates, "/s", note=f"CPU of the task {cpu:,.0f} µs a request"
        )
    without, with_it = samples.values()
    pairs = list(zip(with_it, without, strict=True))
    yield Figure("… with it ÷ without", tuple(a.rate / b.rate for a, b in pairs), "×", KEPT, at_least=True)
    yield Figure("… CPU a request without ÷ with it", tuple(b.cpu / a.cpu for a, b in pairs), "×")


def _model_service(folder: Path, stack: ExitStack, tell: Tell) -> str:
    """Its address."""
    (folder / "material").mkdir()
    (folder / "model-service").mkdir()
    stand = Stand(draw_free([]), folder / "model-service", make(folder / "material", tell), tell)
    server = Server("model service", stand.port, CONTESTANTS[OURS].launch(stand), folder / "model-service.log")
    stack.callback(_stop, server)
    server.wait_until_answering("/ready")
    return f"http://127.0.0.1:{stand.port}"


def _backend(folder: Path, name: str, model: str, store: str, stack: ExitStack, tell: Tell) -> Server:
    """One task, with a database of its own, as the local target starts it."""
    python = environment(_BACKEND / "requirements.lock", tell)
    home = folder / name.replace(" ", "-")
    home.mkdir()
    port = draw_free([])
    variables = {
        "PYTHONPATH": f"{_BACKEND}/src:{_BACKEND}", "DATABASE_URL": f"sqlite+aiosqlite:///{home}/ontime.db",
        "MODEL_SERVICE_URL": model, **({"FEATURES": store} if store else {}),
    }  # fmt: skip
    env = clean_environment(home, python, **variables)
    must([str(python), "-m", "backend_api.migrate"], _BACKEND, env)
    words = ["python", "-m", "backend_api", "--host", "127.0.0.1", "--port", str(port)]
    server = Server(name, port, Launch(words, _BACKEND, env), home / "log")
    stack.callback(_stop, server)
    return server


def _stop(server: Server) -> None:
    with uninterrupted():
        server.stop()


def _filled(state: Path) -> Path:
    """What is known of the three airports before the flights leave."""
    store = OnlineStore(state)
    # As many as leave within four hours.
    departures = " ".join(f"2013-07-04T{4 + n // 60:02}:{n % 60:02},{n % 40 - 5}" for n in range(0, 210, 2))
    for airport in ("EWR", "JFK", "LGA"):
        weather = {
            "airport": airport, "at": str(_AT), "hour": "2013-07-04T07:00", "temp": "80.06", "dewp": "71.06",
            "humid": "74.1", "wind_dir": "220", "wind_speed": "9.2", "precip": "0", "pressure": "1015.2", "visib": "10",
        }  # fmt: skip
        delays = {"airport": airport, "at": str(_AT), "departures": departures}
        store.put("dev", [Record("weather", airport, _AT, weather), Record("airport", airport, _AT, delays)])
    return online_file(state, "dev")


def _flights() -> Iterator[dict[str, str]]:
    reference = json.loads((_BACKEND / "src/backend_api/data/reference.json").read_text())
    draw = random.Random(2013)
    for route in draw.sample(sorted(reference["routes"]), 100):
        origin, destination = route.split("-")
        carrier = draw.choice(sorted(reference["carriers"]))
        moment = f"2013-07-04T08:{draw.randint(0, 59):02}"
        yield {"origin": origin, "destination": destination, "carrier": carrier, "departure": moment}
