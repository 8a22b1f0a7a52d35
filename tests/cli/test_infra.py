"""`infra` at the command line: what is asked before something is applied or destroyed, and what is printed."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from shipway import wiring
from shipway.cli.main import run as shipway
from shipway.core.infrastructure import Change, InfraPlan, Infrastructure, Written

YAML = """
app: toy
services:
  web: {path: web, command: "python server.py {port}", lock: none, routes: [/api/*]}
environments:
  dev: {branch: main, port: 8081, tasks: {min: 1, max: 1}, rollout: {strategy: rolling}}
"""


class Roots(Infrastructure):
    """Roots in memory; `changes` is what each plan finds."""

    def __init__(self) -> None:
        self.changes: tuple[Change, ...] = (Change("aws_lb.this", "create"), Change("aws_vpc.this", "update"))
        self.applied: list[InfraPlan] = []
        self.asked: dict[str, object] = {}

    def init(self, *, size: str | None, like: Mapping[str, str], force: bool) -> Written:
        self.asked = {"size": size, "like": dict(like), "force": force}
        edited = {"infra/app/main.tf": "-# mine"}
        return Written(new=("infra/a.tf",), edited=edited, same=2, tiers={"live": "prod", "dev": "dev"})

    def roots(self) -> Sequence[str]:
        return ("dev",)

    def plan(self, root: str, *, destroy: bool = False) -> InfraPlan:
        return InfraPlan(root, destroy, self.changes)

    def apply(self, plan: InfraPlan) -> None:
        self.applied.append(plan)


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Roots:
    """An app on a target that has something made."""
    (tmp_path / "shipway.yaml").write_text(YAML)
    monkeypatch.chdir(tmp_path)
    found = Roots()

    class Made:
        def infrastructure(self, tell: Callable[[str], None], *, colour: bool = False) -> Infrastructure:
            return found

    monkeypatch.setattr(wiring, "target", lambda root, name=None: Made())
    return found


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_init_says_what_was_written_and_what_was_left(roots: Roots, capsys: pytest.CaptureFixture[str]) -> None:
    """The difference of what somebody edited stands below it."""
    assert 0 == shipway(["infra", "init", "--size", "minimal", "--like", "live=prod", "--force"])
    assert {"size": "minimal", "like": {"live": "prod"}, "force": True} == roots.asked
    said = capsys.readouterr().out
    for line in (
        "live is made like prod",
        "1 file written: infra/a.tf",
        "2 files already",
        "main.tf was edited",
        "    -# mine",
    ):
        assert line in said
    assert 2 == shipway(["infra", "init", "--like", "live"])
    assert "--like staging=stage" in capsys.readouterr().err


def test_a_plan_is_shown(roots: Roots, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line, or as an object with every resource."""
    assert 0 == shipway(["infra", "plan", "dev"])
    assert "dev: 1 to add, 1 to change\n" == capsys.readouterr().out
    assert 0 == shipway(["infra", "plan", "dev", "--json"])
    assert {"address": "aws_lb.this", "action": "create"} == json.loads(capsys.readouterr().out)["changes"][0]


def test_what_was_planned_is_applied(roots: Roots, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing where the plan is empty."""
    assert 0 == shipway(["infra", "apply", "dev", "--yes"])
    assert [InfraPlan("dev", False, roots.changes)] == roots.applied
    assert "✔ dev: applied" in capsys.readouterr().out
    roots.changes = ()
    assert 0 == shipway(["infra", "apply", "dev"])
    assert 1 == len(roots.applied)
    assert "– dev: nothing to change\n" == capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "typed", "code"),
    [
        (["--app", "toy"], None, 0),
        (["--app", "ontime"], None, 3),
        ([], None, 3),
        ([], "toy\n", 0),
        ([], "y\n", 3),
        ([], "", 3),
    ],
)
def test_destroying_takes_the_apps_name(
    roots: Roots, monkeypatch: pytest.MonkeyPatch, words: list[str], typed: str | None, code: int
) -> None:
    """A yes is not enough, and neither is the absence of a terminal."""
    if typed is not None:
        monkeypatch.setattr("sys.stdin", Terminal(typed))
        monkeypatch.setattr("sys.stderr", Terminal())
    assert code == shipway(["infra", "destroy", "dev", *words])
    assert ([InfraPlan("dev", True, roots.changes)] if code == 0 else []) == roots.applied


def test_one_machine_has_nothing_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says which target has."""
    (tmp_path / "shipway.yaml").write_text(YAML)
    monkeypatch.chdir(tmp_path)
    assert 3 == shipway(["infra", "plan", "dev"])
    assert "shipway --target aws infra --help" in capsys.readouterr().err
