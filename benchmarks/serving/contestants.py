"""Who is measured, and how each is started: one worker, one thread for each library's pool."""

from __future__ import annotations

import json
import shlex
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import Tell
from benchmarks.serving.cells import CELLS, ONE_ROW, Cell
from benchmarks.serving.environments import environment
from benchmarks.serving.material import HERE, Material, Protocol, publish
from benchmarks.serving.servers import Launch, clean_environment
from benchmarks.throwaway import CHECKOUT
from shipway.core.errors import ShipwayError
from shipway.demo.commands import must
from shipway.local.router.ports import draw_free

PEERS = HERE / "peers"
OWN = CHECKOUT / "ml-model-service"
OURS = "shipway"


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a contestant is set up: its port, a folder of its own, what all of them serve."""

    port: int
    folder: Path
    material: Material
    tell: Tell


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server that answers predictions.

    `tolerance` is how far its predictions may lie from the training library's; None means another model, of which the
    shape alone is checked. `constant`: it answers one constant, whatever it is asked. `quiet`: idle, it leaves the
    machine alone; one that does not is measured in a seating with nobody but ours. `cells`: what it is measured in.
    """

    name: str
    title: str
    launch: Callable[[Stand], Launch]
    path: str = "/predict"
    protocol: Protocol = "instances"
    tolerance: float | None = 1e-5
    constant: bool = False
    quiet: bool = True
    cells: tuple[Cell, ...] = CELLS


@dataclass(frozen=True, slots=True)
class _Peer:
    """Starts what lies in a peer's folder. `{port}`, `{peer}` and `{python}` are filled into the command."""

    folder: str
    command: str
    variables: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, stand: Stand) -> Launch:
        peer = PEERS / self.folder
        python = environment(peer / "requirements.txt", stand.tell)
        env = clean_environment(stand.folder, python, PYTHONPATH=str(PEERS), **self.variables)
        env["BENCHMARK_MATERIAL"] = str(stand.material.folder)
        if (peer / "prepare.py").exists():
            stand.tell(f"{self.folder}: prepare.py")
            must([str(python), str(peer / "prepare.py")], stand.folder, env)
        words = [word.format(port=stand.port, peer=peer, python=python) for word in shlex.split(self.command)]
        return Launch(words, stand.folder, env)


def _ours(stand: Stand) -> Launch:
    """As the local target starts a task: its own lock, model from a bucket; with data capture and metrics."""
    latest = publish(stand.material, stand.folder / "ml-models-bucket")
    env = _own_environment(stand) | {
        "PORT": str(stand.port), "MODEL_BUCKET": str(latest.parent), "MODEL_VERSION_PARAMETER": latest.as_uri(),
        "CAPTURE": captures(stand.folder).as_uri(),
        "SHIPWAY_ENVIRONMENT": "benchmark", "SHIPWAY_RELEASE": "r1", "SHIPWAY_SERVICE": "ml-model-service",
        "SHIPWAY_TASK": "benchmark-1",
    }  # fmt: skip
    return Launch(["python", "-m", "ml_model_service", "--host", "127.0.0.1", "--port", str(stand.port)], OWN, env)


def captures(folder: Path) -> Path:
    """Where our service captures to, below its folder."""
    return folder / "monitoring-bucket"


def _own_echo(stand: Stand) -> Launch:
    if not (OWN / "src" / "ml_model_service" / "http" / "server.py").exists():
        raise ShipwayError("ml_model_service/http/server.py is not there: its echo cannot be measured")
    return Launch(["python", str(PEERS / "own_echo" / "app.py"), str(stand.port)], OWN, _own_environment(stand))


def _own_environment(stand: Stand) -> dict[str, str]:
    python = environment(OWN / "requirements.lock", stand.tell)
    env = clean_environment(stand.folder, python, PYTHONPATH=f"{OWN}/src:{OWN}", PYTHONNOUSERSITE="1")
    # What a task does not get: nobody sets these for it.
    return {name: value for name, value in env.items() if not name.endswith("_NUM_THREADS")}


def _mlserver(stand: Stand) -> Launch:
    """Its settings name the port and the model's file, so they are written into its folder."""
    launch = _Peer("mlserver", "mlserver start .")(stand)
    for file in ("settings.json", "model-settings.json"):
        settings = json.loads((PEERS / "mlserver" / file).read_text())
        if file == "settings.json":
            settings |= {"http_port": stand.port, "grpc_port": draw_free([stand.port])}
        (stand.folder / file).write_text(json.dumps(settings))
    shutil.copy(stand.material.folder / "model" / "model.txt", stand.folder)
    return launch


def _ray_serve(stand: Stand) -> Launch:
    """The high-throughput mode of its documentation; HAProxy with one thread proved faster than with its default, four."""
    # Not in its own folder: the path of HAProxy's socket, which holds a digest, may have 97 characters.
    haproxy = Path(tempfile.mkdtemp(prefix="h", dir=stand.material.folder.parent))
    stats = draw_free([stand.port])
    variables = {
        "RAY_SERVE_ENABLE_HA_PROXY": "1", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1", "RAY_SERVE_HAPROXY_NBTHREAD": "1",
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": f"{haproxy}/haproxy.cfg",
        "RAY_SERVE_HAPROXY_SOCKET_PATH": f"{haproxy}/admin.sock",
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(haproxy),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": f"{haproxy}/server-state",
        "RAY_SERVE_HAPROXY_STATS_PORT": str(stats),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(draw_free([stand.port, stats])),
        "RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": f"{stand.folder}/ray",
    }  # fmt: skip
    return _Peer("ray_serve", "python {peer}/app.py {port}", variables)(stand)


def _bentoml(service: str) -> _Peer:
    command = f"bentoml serve app:{service} --working-dir {{peer}} --host 127.0.0.1 --port {{port}}"
    return _Peer("bentoml", command, {"BENTOML_DO_NOT_TRACK": "True"})


_GRANIAN = "granian --host 127.0.0.1 --port {port} --workers 1 --loop uvloop --no-ws --working-dir {peer} app:app"

CONTESTANTS: Mapping[str, Contestant] = {
    contestant.name: contestant
    for contestant in (
        Contestant(OURS, "**Shipway's model service**, capture and metrics on", _ours, tolerance=1e-9),
        Contestant("litserve", "LitServe", _Peer("litserve", "python {peer}/app.py {port} plain")),
        Contestant("litserve_batched", "LitServe, batching", _Peer("litserve", "python {peer}/app.py {port} batched"), quiet=False, cells=(ONE_ROW,)),
        Contestant("bentoml_sync", "BentoML, sync", _bentoml("Sync")),
        Contestant("bentoml_async", "BentoML, async", _bentoml("Async")),
        Contestant(
            "mlserver", "MLServer, LightGBM runtime", _mlserver, "/v2/models/ontime/infer", "v2", tolerance=1e-9
        ),
        Contestant("ray_serve", "Ray Serve behind its HAProxy", _ray_serve, quiet=False),
        Contestant(
            "fastapi_sklearn", "FastAPI + pandas + scikit-learn, as written first",
            _Peer("fastapi_sklearn", "uvicorn app:app --app-dir {peer} --port {port}"), tolerance=None,
        ),
        Contestant(
            "fastapi_onnx", "FastAPI + ONNX Runtime, hand-tuned", _Peer("fastapi_onnx", f"{_GRANIAN} --interface asgi")
        ),
        Contestant(
            "granian_echo", "a constant, by Granian RSGI", _Peer("granian_echo", f"{_GRANIAN} --interface rsgi"),
            constant=True,
        ),
        Contestant("own_echo", "a constant, by our own server", _own_echo, constant=True),
    )
}  # fmt: skip
