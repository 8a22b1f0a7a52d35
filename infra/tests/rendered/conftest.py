"""What `make infra-test` let Terraform render: for the example app, and for the other one that `infra init` wrote."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from shipway.core.description.app import App
from shipway.description.reader import load

Resource = dict[str, Any]
INFRA = Path(__file__).parents[2]


class World:
    """An app, and the resources that its roots are made of."""

    def __init__(self, app: App, resources: Iterable[Resource]) -> None:
        self.app = app
        self._resources = list(resources)

    def values(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """The attributes of each resource of that type."""
        return [resource["values"] for resource in self._resources if resource["type"] == kind]

    def policies(self) -> dict[str, list[Mapping[str, Any]]]:
        """Role → the statements of all its policies."""
        found: dict[str, list[Mapping[str, Any]]] = {role["name"]: [] for role in self.values("aws_iam_role")}
        for policy in self.values("aws_iam_role_policy"):
            found[policy["role"]] += json.loads(policy["policy"])["Statement"]
        return found


@pytest.fixture(scope="session", params=["example", "other"])
def world(request: pytest.FixtureRequest) -> World:
    """Each of the two apps."""
    if "RENDERED" not in os.environ:
        pytest.exit("RENDERED names no file of what Terraform renders: make infra-test", 2)
    rendered: dict[str, list[Resource]] = json.loads(Path(os.environ["RENDERED"]).read_text())
    if request.param == "other":
        app, names = load(INFRA / "tests" / "other_app.yaml"), [name for name in rendered if name.startswith("other/")]
    else:
        app, names = load(INFRA.parent / "shipway.yaml"), ["bootstrap", "app", "dev", "stage", "prod"]
    return World(app, (resource for name in names for resource in rendered[name] if "change" not in resource))
