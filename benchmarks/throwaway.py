"""Apps in throwaway folders, on free ports, steered by the real command line. Nothing is left of them."""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from shipway.demo.commands import must
from shipway.demo.sandbox import Stage
from shipway.demo.story import Story, read_story
from shipway.local.router.ports import draw_free

CHECKOUT = Path(__file__).resolve().parent.parent
ROLLED_BACK = 4
_APP = (Path(__file__).parent / "hello" / "app.py").read_text()


class Hello:
    """The hello app with one environment, prod: its branch is main, nobody has to approve."""

    def __init__(self, stage: Stage, rollout: Mapping[str, Any], tasks: int = 2) -> None:
        self.stage = stage
        self._number = 0
        service = {"path": "hello", "command": "python app.py", "lock": "none", "routes": ["/*"]}
        prod = {"branch": "main", "port": draw_free([]), "tasks": {"min": tasks, "max": tasks + 1}, "rollout": rollout}
        stage.description = {"app": "hello", "services": {"hello": service}, "environments": {"prod": prod}}
        (stage.app / "hello").mkdir(parents=True)
        must(["git", "init", "--quiet", "--initial-branch=main"], stage.app)
        (stage.app / ".git" / "info" / "exclude").write_text(".shipway/\n")

    @property
    def url(self) -> str:
        """Where prod answers."""
        return self.stage.url("prod")

    def commit(self, rollout: Mapping[str, Any] | None = None, *, delay: float = 0.0, failing: float = 0.0) -> None:
        """Commit a service that is new, and another rollout policy for prod if one is given."""
        self._number += 1
        if rollout is not None:
            self.stage.environment("prod")["rollout"] = rollout
        (self.stage.app / "hello" / "app.py").write_text(hello_service(self._number, delay=delay, failing=failing))
        (self.stage.app / "shipway.yaml").write_text(yaml.safe_dump(self.stage.description, sort_keys=False))
        self.stage.commit(f"Say hello {self._number}")

    def deploy(self, *allowed: int) -> dict[str, Any]:
        """HEAD to prod: the run with its rollouts. Raises ShipwayError on an exit code that is not allowed."""
        return self.stage.shipway("deploy").answer(*allowed)


def hello_service(number: int, *, delay: float = 0.0, failing: float = 0.0) -> str:
    """The service's text with these values of its constants."""
    lines = _APP.split("\n")
    for name, value in {"NUMBER": number, "DELAY": delay, "FAILING": failing}.items():
        (place,) = [n for n, line in enumerate(lines) if line.startswith(f"{name} = ")]
        lines[place] = f"{name} = {value}"
    return "\n".join(lines)


@contextmanager
def hello(tasks: int = 2, *, delay: float = 0.0) -> Iterator[Hello]:
    """The hello app, its first release serving."""
    with _stage() as stage:
        app = Hello(stage, {"strategy": "all_at_once", "bake": 0}, tasks)
        app.commit(delay=delay)
        stage.shipway("up", "--detach").answer()
        app.deploy()
        yield app


@contextmanager
def ontime(versions: Mapping[str, int]) -> Iterator[tuple[Stage, Story]]:
    """The example as it lies in this checkout, its models (version → boosting rounds) published, the first current.

    `shipway.yaml` is as it is but for the ports. Takes half a minute: models are trained.
    """
    told = read_story(CHECKOUT)
    assert told.training is not None, "the example has a model"
    commands = {
        version: f"{{python}} -m training --output {{output}} --rounds {rounds} --author benchmark"
        for version, rounds in versions.items()
    }
    training = told.training.model_copy(update={"versions": commands})
    story = told.model_copy(update={"settings": {}, "training": training})
    with _stage() as stage:
        stage.copy_app(CHECKOUT, story)
        stage.train(CHECKOUT, training)
        stage.start()
        for version in versions:
            stage.shipway("model", "publish", str(stage.models / version), "--version", version).answer()
        first = next(iter(versions))
        stage.shipway("model", "promote", first, "--yes", "--why", "benchmark").answer()
        yield stage, story


@contextmanager
def _stage() -> Iterator[Stage]:
    stage = Stage(Path(tempfile.mkdtemp(prefix="shipway-bench-")).resolve())
    try:
        yield stage
    finally:
        # Taking down is not interrupted: what is left behind would go on running unseen.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        for line in stage.clear():
            print(f"✘ still ran after `shipway down`, killed: {line}", file=sys.stderr)
        signal.signal(signal.SIGINT, before)
