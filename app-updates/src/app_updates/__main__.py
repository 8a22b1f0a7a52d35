"""`python -m app_updates`: serves until SIGTERM, finishes what is in flight, exits 0."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time

# Before the rest is loaded: PID 1 of a container hears no signal that it has not asked for. uvicorn raises it again
# once it has shut down; being asked to stop is no failure.
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: sys.exit(0))

import uvicorn  # noqa: E402

from app_updates.app import create_app  # noqa: E402
from app_updates.databases import WrongDatabase, engine_for  # noqa: E402
from app_updates.following import follower_of  # noqa: E402
from app_updates.logs import start_logging  # noqa: E402
from app_updates.places import WrongPlace  # noqa: E402
from app_updates.reporting import reporter_of  # noqa: E402
from app_updates.settings import WrongSetting, read_settings  # noqa: E402
from app_updates.store import Store  # noqa: E402


def main() -> None:
    """Exit code 2 when a setting is wrong, 3 when the server could not start."""
    parser = argparse.ArgumentParser(prog="app_updates", description="Offers an app's bundles to devices")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=os.environ.get("PORT", "8080"))
    arguments = parser.parse_args()
    try:
        settings = read_settings(os.environ)
        follower = follower_of(settings)
        store = Store(engine_for(os.environ))
        reporter = reporter_of(settings, store)
    except (WrongSetting, WrongPlace, WrongDatabase) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from error
    start_logging(settings.task)
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings, store, follower, time.time),
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
            timeout_graceful_shutdown=25,
            backlog=2048,
        )
    )
    if reporter is not None:
        reporter.start()
    server.run()
    if reporter is not None:
        reporter.close()
    if not server.started:
        raise SystemExit(3)


if __name__ == "__main__":
    main()
