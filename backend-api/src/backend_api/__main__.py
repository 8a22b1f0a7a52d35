"""`python -m backend_api`: serves until SIGTERM, finishes what is in flight, exits 0.

One process: uvicorn's single server starts faster than a supervisor with a worker and leaves no orphan behind.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys

# Before the rest is loaded: PID 1 of a container hears no signal that it has not asked for. uvicorn raises it again
# once it has shut down; being asked to stop is no failure.
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: sys.exit(0))

import uvicorn  # noqa: E402
from pydantic import ValidationError  # noqa: E402

from backend_api.config.settings import Settings, WrongSetting  # noqa: E402
from backend_api.logs import log_libraries, task_logger  # noqa: E402
from backend_api.main import create_app  # noqa: E402


def main() -> None:
    """Exit code 2 when a setting is wrong, 3 when the server could not start."""
    parser = argparse.ArgumentParser(prog="backend_api", description="Ontime's backend")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=os.environ.get("PORT", "8000"))
    arguments = parser.parse_args()
    try:
        settings = Settings()
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            name = ".".join(str(part) for part in fault["loc"]).upper()
            # Faults of several settings together name them themselves.
            sys.stderr.write(f"{name}{': ' if name else ''}{fault['msg'].removeprefix('Value error, ')}\n")
        raise SystemExit(2) from error
    log = task_logger(settings)
    try:
        app = create_app(settings, log)
    except WrongSetting as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from error
    log_libraries(log)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=arguments.host,
            port=arguments.port,
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            # Longer than a router keeps an idle connection, so that the router is the one who closes it.
            timeout_keep_alive=75,
            timeout_graceful_shutdown=math.ceil(settings.shutdown_timeout),
            backlog=2048,
        )
    )
    server.run()
    if not server.started:
        raise SystemExit(3)


if __name__ == "__main__":
    main()
