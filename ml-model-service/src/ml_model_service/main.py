"""Start the service: `python -m ml_model_service --host 127.0.0.1 --port 8080`."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any, NoReturn

import uvicorn

from ml_model_service.app import App
from ml_model_service.logs import Log, install
from ml_model_service.parameter import ParameterError, parameter_at
from ml_model_service.reload import Served, follow, serve_baked
from ml_model_service.settings import Settings, SettingsError

# longer than the 60 s for which load balancers and clients keep an idle connection: who closes last sees no reset
KEEP_ALIVE = 75


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT, then finish what is in flight and leave with 0; 2 on a bad setting."""
    # the server passes the signal on once it has drained, which would otherwise end the process as killed
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    parser = argparse.ArgumentParser(prog="python -m ml_model_service", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=os.environ.get("PORT", "8080"))
    given = parser.parse_args(arguments)
    try:
        settings = Settings.read(os.environ)
        log, served = Log(settings.labels), Served()
        keeper = keep(served, settings)
    except (SettingsError, ParameterError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    install(log)
    config = uvicorn.Config(
        App(settings, served, log),
        host=given.host,
        port=given.port,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=settings.drain_timeout,
    )
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(serve(uvicorn.Server(config), keeper))
    return 0


def keep(served: Served, settings: Settings) -> Coroutine[Any, Any, None]:
    """What loads models into `served`. Raises ParameterError for a parameter address that is not known."""
    if settings.bucket is None or settings.parameter is None:
        return serve_baked(served, settings.baked)
    return follow(served, parameter_at(settings.parameter), settings.bucket)


async def serve(server: uvicorn.Server, keeper: Coroutine[Any, Any, None]) -> None:
    """Answer requests and keep the model current until a signal; a fault of the keeper stops the service."""

    def stop_if_failed(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            server.should_exit = True

    keeping = asyncio.create_task(keeper)
    keeping.add_done_callback(stop_if_failed)
    await server.serve()
    if keeping.done():
        keeping.result()
    keeping.cancel()


def _leave(*_: object) -> NoReturn:
    raise SystemExit(0)
