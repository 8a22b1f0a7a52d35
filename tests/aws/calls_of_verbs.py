"""Which calls of AWS each command makes, recorded while it runs over the double: the table in docs/cli.md."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from shipway import wiring
from shipway.cli.group import Group
from shipway.cli.main import run as shipway
from shipway.cli.main import shipway as program
from tests.cli.worlds import OnAws

EVERY = ("sts:GetCallerIdentity",)
"""What every command asks first."""
_HEAD = """## On AWS

Which calls each command makes where the app runs on AWS (`--target aws`, or `SHIPWAY_TARGET=aws`), recorded while the
tests run it. Each asks `sts:GetCallerIdentity` first, and refuses credentials of another account than shipway.yaml's.
`deploy`, `approve`, `retry` and `rollback` then follow their run (`--detach`: they do not), with the calls of `run
follow`. A command that stands in no row needs no AWS, or says that AWS does without it.

| command | calls |
|---|---|
"""


def recorded() -> dict[str, list[str]]:
    """Each command → the operations that it makes, in the order in which each was made first."""
    found: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        root = Path(folder).resolve()
        patch.chdir(root)
        patch.setitem(wiring.TARGETS, "double", "tests.doubles.aws.target")
        patch.setenv("SHIPWAY_TARGET", "double")
        world = OnAws(root, patch)
        try:
            for typed in _typed(world):
                called = world.aws.clients.called = []
                said = io.StringIO()
                with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                    code = shipway(typed.split())
                assert code in (0, 4), f"{typed}: {said.getvalue()}"
                calls = found.setdefault(_command(typed), [])
                calls += [call for call in dict.fromkeys(called) if call not in (*calls, *EVERY)]
        finally:
            world.close()
    return found


def table() -> str:
    """The section of docs/cli.md."""
    rows = [f"| `shipway {command}` | {_grouped(calls)} |" for command, calls in recorded().items() if calls]
    return _HEAD + "\n".join(rows) + "\n"


def leaves(command: click.Command = program, above: str = "") -> Iterator[str]:
    """Every command by the words that call it."""
    if isinstance(command, Group):
        for name, inner in command.commands.items():
            yield from leaves(inner, f"{above} {name}".strip())
    else:
        yield above


def _typed(world: OnAws) -> Iterator[str]:
    """What is typed, one after the other; the world is changed in between."""
    yield "deploy c2 --dry-run"
    yield "deploy c2 --detach"
    second = world.run(2)
    yield f"approve {second} --yes --why fine --detach"
    yield "deploy c3 --detach"
    yield f"reject {world.run(3)} --why friday"
    yield f"retry {world.run(3)} --detach"
    yield "rollback --env prod --yes --detach"
    yield f"logs --build {_rollback(world)}"
    for verb in ("pause", "resume", "promote --now --yes", "abort --yes"):
        word, _, options = verb.partition(" ")
        world.hold()
        if not world.under_way("dev"):
            world.aws.deploy("c4", "dev")
        yield f"{word} --env dev {options}"
        if word != "abort":
            world.aws.store.take_command("dev")
    world.let_go()
    world.hold()
    world.aws.deploy("c5", "dev")
    yield "rollback --env dev --yes --detach"
    world.let_go()
    yield "status"
    yield "runs"
    yield f"run show {second}"
    yield f"run follow {second}"
    yield f"run follow {world.run(len(world.aws.passes))}"
    yield "releases"
    yield "logs"
    yield "logs --release r1"
    yield f"logs --build {second}"
    yield "audit"
    yield "doctor"


def _rollback(world: OnAws) -> str:
    stream = next(id for id in reversed(world.aws.builds) if "prod-rollout" in id).rpartition(":")[2]
    return f"prod-back-{stream[:8]}"


def _command(typed: str) -> str:
    words = typed.split()
    return " ".join(words[:2]) if words[0] in ("run", "model") else words[0]


def _grouped(calls: list[str]) -> str:
    services: dict[str, list[str]] = {}
    for call in calls:
        service, _, operation = call.partition(":")
        services.setdefault(service, []).append(operation)
    return "; ".join(f"{service}: {', '.join(sorted(operations))}" for service, operations in sorted(services.items()))
