"""What the command line is tried over: an app of which c1 serves in dev and in prod, on one machine or on AWS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pytest
import yaml
from moto import mock_aws

from shipway.core.errors import UsageError
from shipway.description.reader import load
from tests.doubles.aws.credentials import take_nobodys
from tests.doubles.aws.target import WORLDS, OverDouble
from tests.doubles.aws.world import FakeAws
from tests.pipeline.house import DESCRIPTION, House
from tests.waiting import wait_for

AWS = {"account": "123456789012", "region": "us-east-1", "domain": "hello.example", "repository": "example/hello"}


class World(Protocol):
    """What a test does beside the commands."""

    def run(self, number: int) -> str:
        """The id of the run that was started as the first, second …."""

    def until(self, id: str, status: str) -> None:
        """Wait until the run has a status."""

    def hold(self) -> None:
        """Rollouts stay under way from now on."""

    def let_go(self) -> None:
        """They go on."""

    def under_way(self, environment: str) -> bool:
        """Whether a rollout is."""

    def write(self, environment: str, release: str, lines: Sequence[str]) -> None:
        """A task of the release writes these lines."""


class OnMachine(World):
    """Over the desk of the pipeline, whose tasks are in memory."""

    def __init__(self, house: House) -> None:
        self.house = house
        house.release("c1")

    def run(self, number: int) -> str:
        return str(number)

    def until(self, id: str, status: str) -> None:
        self.house.until(id, status)

    def hold(self) -> None:
        self.house.target.hold.clear()

    def let_go(self) -> None:
        self.house.target.hold.set()

    def under_way(self, environment: str) -> bool:
        return self.house.rollouts.under_way(environment) is not None

    def write(self, environment: str, release: str, lines: Sequence[str]) -> None:
        logs = self.house.root / ".shipway" / "logs" / environment
        logs.mkdir(parents=True)
        (logs / f"{environment}-blue-{release}-hello-0.log").write_text("".join(f"{line}\n" for line in lines))


class OnAws(World):
    """Over the desk of AWS; boto3's calls are answered by the double and by moto."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, **described: object) -> None:
        """`described` are further sections of shipway.yaml."""
        take_nobodys(monkeypatch)
        self.root = root
        self._moto = mock_aws()
        self._moto.start()
        path = root / "shipway.yaml"
        path.write_text(yaml.safe_dump({**DESCRIPTION, "aws": AWS, **described}))
        self.aws = WORLDS[root] = FakeAws(load(path))
        self.desk, _ = OverDouble(root).desk()
        for version in ("v1.0", "v1.1", "v1.2", "v1.3"):
            self.aws.publish(version, root / "trained")
        for environment in self.aws.app.environments:
            name = self.aws.names.model_version(environment)
            self.aws.moto.call("ssm", "put_parameter", Name=name, Value="v1.0", Overwrite=True)
        first = self.desk.deploy("c1", None, "bob")
        self.desk.answer(first.id, True, "ann", "fine")

    def run(self, number: int) -> str:
        one = self.aws.passes[number - 1]
        return f"{one.environment}-{one.id[:8]}"

    def until(self, id: str, status: str) -> None:
        def there() -> bool:
            try:
                return self.desk.run(id).run.status == status
            except UsageError:
                return False

        wait_for(there, f"run {id} is {status}")

    def hold(self) -> None:
        self.aws.held = True

    def let_go(self) -> None:
        self.aws.let_go()

    def under_way(self, environment: str) -> bool:
        return any(held.environment == environment for held in self.aws.under_way)

    def write(self, environment: str, release: str, lines: Sequence[str]) -> None:
        group = self.aws.names.log_group(environment, "hello", None)
        self.aws.log(group, f"{release}/hello/0f0f", lines)

    def close(self) -> None:
        self._moto.stop()
