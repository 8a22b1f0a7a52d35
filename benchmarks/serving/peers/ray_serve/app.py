"""Ray Serve: one replica, with the settings that its documentation gives for throughput; no access log."""

from __future__ import annotations

import signal
import sys
from typing import Any

import ray
from ray import serve
from ray.serve.schema import LoggingConfig
from scoring import Scorer
from starlette.requests import Request


@serve.deployment(num_replicas=1, max_ongoing_requests=100)
class Ontime:
    """The model behind `/predict`."""

    def __init__(self) -> None:
        self._scorer = Scorer()

    async def __call__(self, request: Request) -> dict[str, Any]:
        return {"predictions": self._scorer.predict((await request.json())["instances"])}


if __name__ == "__main__":
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        log_to_driver=False,
        object_store_memory=200 * 1024 * 1024,
    )
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Ontime.bind(), route_prefix="/predict", logging_config=LoggingConfig(enable_access_log=False))
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()
