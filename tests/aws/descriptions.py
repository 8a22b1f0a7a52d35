"""Descriptions for tests: one of their own, and changes of it; and that of this repository."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from shipway.core.description.app import App
from shipway.description.reader import parse

HERE = Path(__file__).parent


@cache
def _own() -> App:
    return parse((HERE / "app.yaml").read_bytes())


@cache
def repositorys() -> App:
    """The example's, as it is committed."""
    return parse((HERE.parents[1] / "shipway.yaml").read_bytes())


def with_bundles() -> App:
    """The same with an app that devices run, whose bundles go out at once to half of them."""
    described = yaml.safe_load((HERE / "app.yaml").read_text())
    described["services"]["updates"] = {
        "path": "updates", "command": "updates --port {port}", "routes": ["/ota/*"], "secrets": ["APP_SIGNING_KEY"],
    }  # fmt: skip
    described["apps"] = {
        "phone": {
            "path": "phone", "build": "sh -c 'mkdir dist && cp index.html dist/'", "lock": "none", "updates": "updates",
            "rollout": {"steps": ["50%"], "step_wait": 0, "guard": {"min_devices": 10}},
        }
    }  # fmt: skip
    described["roles"] = {"lead": ["somebody-else"]}
    described["environments"]["prod"]["approval"] = {"roles": ["lead"]}
    return parse(yaml.safe_dump(described).encode())


def ontime(**rollout: Any) -> App:
    """Two services in dev and prod; `rollout` changes prod's policy."""
    app = _own()
    prod = app.environments["prod"]
    changed = prod.model_copy(update={"rollout": prod.rollout.model_copy(update=rollout)})
    return app.model_copy(update={"environments": {**app.environments, "prod": changed}})
