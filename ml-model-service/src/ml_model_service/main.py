"""Start the service: `python -m ml_model_service --host 127.0.0.1 --port 8080`, or `… serve` as SageMaker does."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvloop

from ml_model_service.app import App
from ml_model_service.http.server import Server
from ml_model_service.logs import Log, RequestLog, install
from ml_model_service.settings import Settings, SettingsError
from ml_model_service.versions.memory import settle
from ml_model_service.versions.parameter import ParameterError, parameter_at
from ml_model_service.versions.reload import Served, follow, serve_baked
from ml_model_service.versions.sources import Source, source_at


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT, then finish what is in flight and leave with 0; 2 on a bad setting."""
    parser = argparse.ArgumentParser(prog="python -m ml_model_service", description=__doc__)
    parser.add_argument("mode", nargs="?", choices=["serve"], help="as a SageMaker container: the model in /opt/ml")
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    given = parser.parse_args(arguments)
    hosted = given.mode == "serve"
    host = given.host or ("0.0.0.0" if hosted else "127.0.0.1")
    port = given.port or int(os.environ.get("SAGEMAKER_BIND_TO_PORT" if hosted else "PORT") or 8080)
    try:
        settings = Settings.read(os.environ, hosted=hosted)
        log, served = Log(settings.labels), Served()
        source = source_for(settings)
        app = App(settings, served, RequestLog(log) if settings.request_log else None, source)
        keeper = keep_current(served, settings, source)
    except (SettingsError, ParameterError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    install(log)
    settle()
    server = Server(app, app.refuse, max_body=settings.max_body, body_timeout=settings.body_timeout)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.get_loop().set_default_executor(Workers())
        try:
            runner.run(serve(server, keeper, host, port, settings.drain_timeout))
        except OSError as error:
            print(f"error: cannot listen on {host}:{port}: {error.strerror}", file=sys.stderr)
            return 1
        finally:
            app.close()
            if source is not None:
                source.close()
    return 0


class Workers(ThreadPoolExecutor):
    """Threads that a stop does not wait for: requests are answered by then, but a model may load for minutes."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=False, cancel_futures=True)


def source_for(settings: Settings) -> Source | None:
    """Where versions come from; None where the baked model serves. Raises SettingsError."""
    try:
        return None if settings.bucket is None else source_at(settings.bucket, settings.pickles)
    except (ValueError, OSError) as error:
        raise SettingsError(f"MODEL_BUCKET: {error}") from error


def keep_current(served: Served, settings: Settings, source: Source | None) -> Coroutine[Any, Any, None]:
    """A coroutine that loads the wanted models into `served`. Raises ParameterError for an unknown address."""
    if settings.multi_model:
        return asyncio.sleep(0)
    if source is None or settings.parameter is None:
        return serve_baked(served, settings.bucket_at(settings.baked))
    return follow(served, parameter_at(settings.parameter), source)


async def serve(server: Server, keeper: Coroutine[Any, Any, None], host: str, port: int, drain_timeout: float) -> None:
    """Answer requests and keep the model current until a signal; a fault of the keeper stops the service."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    keeping = asyncio.create_task(keeper)
    keeping.add_done_callback(lambda task: stop.set() if not task.cancelled() and task.exception() else None)
    await server.serve(host, port, stop, drain_timeout)
    if keeping.done():
        keeping.result()
    keeping.cancel()
