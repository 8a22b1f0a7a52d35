"""What people put together by hand for `/api/predict`: nginx, FastAPI, httpx, FastAPI; one task of each service."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.figures import Tell
from benchmarks.serving.contestants import PEERS
from benchmarks.serving.environments import environment
from benchmarks.serving.servers import Launch, Server, clean_environment, uninterrupted
from benchmarks.throwaway import CHECKOUT
from shipway.core.errors import ShipwayError
from shipway.local.router.ports import draw_free

_HERE = PEERS / "nginx_fastapi"
_REFERENCE = CHECKOUT / "backend-api" / "src" / "backend_api" / "data" / "reference.json"


def find_nginx() -> str:
    """The nginx program. Raises ShipwayError where there is none."""
    found = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/local/bin:/usr/bin:/opt/homebrew/bin")
    if found is None:
        raise ShipwayError(
            "nginx is not installed: /api/predict cannot be compared with what stands behind one",
            fix="install it (Debian: apt-get install nginx, and systemctl disable --now nginx; macOS: brew install nginx)",
        )
    return found


@contextmanager
def by_hand(folder: Path, model: Path, probe: bytes, tell: Tell) -> Iterator[Sequence[Server]]:
    """The three servers, nginx first, answering. `model` holds model.txt and metadata.json."""
    nginx = find_nginx()
    python = environment(_HERE / "requirements.txt", tell)
    ports: list[int] = []
    for _ in range(3):
        ports.append(draw_free(ports))
    front, backend, scoring = ports
    env = clean_environment(
        folder, python, MODEL_FOLDER=str(model), REFERENCE_FILE=str(_REFERENCE),
        DATABASE_URL=f"sqlite+aiosqlite:///{folder}/ontime.db", MODEL_SERVICE_URL=f"http://127.0.0.1:{scoring}",
    )  # fmt: skip
    configuration = folder / "nginx.conf"
    configuration.write_text((_HERE / "nginx.conf").read_text().format(folder=folder, port=front, backend=backend))
    commands = {
        "model": (scoring, _uvicorn("model:app", scoring)),
        "backend": (backend, _uvicorn("backend:app", backend)),
        "nginx": (front, [nginx, "-p", str(folder), "-e", "stderr", "-c", str(configuration)]),
    }
    with ExitStack() as stack:
        servers = []
        for name, (port, argv) in commands.items():
            server = Server(name, port, Launch(argv, folder, env), folder / f"{name}.log")
            stack.callback(_stop, server)
            servers.append(server)
        servers[-1].wait_until_answering("/api/predict", probe)
        yield servers[::-1]


def _uvicorn(app: str, port: int) -> list[str]:
    return ["uvicorn", app, "--app-dir", str(_HERE), "--port", str(port), "--no-access-log", "--log-level", "warning"]


def _stop(server: Server) -> None:
    with uninterrupted():
        server.stop()
