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
from tests.doubles.aws import bundles
from tests.model_folders import write_model
from tests.pipeline.house import PHONE

EVERY = ("sts:GetCallerIdentity",)
"""What every command asks first."""
WITHOUT = ("validate", "demo", "repair", "replay", "infra")
"""Commands that are about files of this machine, and those that Terraform carries out."""
_HEAD = """## On AWS

Which calls each command makes where the app runs on AWS (`--target aws`, or `SHIPWAY_TARGET=aws`), recorded while the
tests run it. Each asks `sts:GetCallerIdentity` first, and refuses credentials of another account than shipway.yaml's.
`deploy`, `approve`, `retry` and `rollback` then follow their run (`--detach`: they do not), with the calls of `run
follow`. What AWS has no notion of, or the desk there does not answer yet, is refused in these words. `infra` is
Terraform's to carry out, and `validate`, `demo`, `repair` and `replay` are about this machine.

| command | calls |
|---|---|
"""


def recorded() -> dict[str, list[str]]:
    """Each command → the operations that it makes, in the order in which each was made first."""
    found: dict[str, list[str]] = {}
    with _world() as world:
        _record(found, world, _typed(world))
    with _world(apps={"phone": PHONE}) as world:
        _record(found, world, _typed_of_bundles(world))
    return found


def _record(found: dict[str, list[str]], world: OnAws, commands: Iterator[str]) -> None:
    for typed in commands:
        called = world.aws.clients.called = []
        code, said = _run(typed)
        assert code in (0, 4), f"{typed}: {said}"
        calls = found.setdefault(_command(typed), [])
        calls += [call for call in dict.fromkeys(called) if call not in (*calls, *EVERY)]


def refused() -> dict[str, str]:
    """Each command that AWS has no notion of → what it says."""
    found: dict[str, str] = {}
    with _world(apps={"phone": PHONE}):
        for typed in REFUSED:
            code, said = _run(typed)
            assert code in (2, 3), f"{typed}: {said}"
            found[_command(typed)] = next(line[2:] for line in said.splitlines() if line.startswith(("✘ ", "x ")))
    return found


REFUSED = (
    "train runs", "train show 1", "train compare 1 2", "train report 1", "train bias 1",
    "train export 1 --to sqlite:///mlflow.db", "model card v1.0",
    "monitor baseline dev", "monitor run dev", "monitor report dev",
    "features list --env dev", "features put weather a=1 --env dev", "features get weather JFK --env dev",
    "features delete weather JFK --env dev --yes --at 2020-07-04T11:00:00Z",
    "features join rows.csv out.csv --env dev --group weather --time at", "features compact --env dev",
    "app crashes --env dev",
    "up", "down --yes", "reload", "prune --yes",
)  # fmt: skip


def table() -> str:
    """The section of docs/cli.md."""
    rows = {command: _grouped(calls) for command, calls in recorded().items()}
    rows |= {command: f"refused: {said}" for command, said in refused().items()}
    wanted = [command for command in leaves() if command.split()[0] not in WITHOUT]
    assert set(wanted) == set(rows), set(wanted) ^ set(rows)
    return _HEAD + "".join(f"| `shipway {command}` | {rows[command]} |\n" for command in wanted)


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
    yield from (
        "model list",
        "model show v1.0",
        "model history",
        "model compare v1.0 v1.1",
        f"model publish {_trained()} --version v9.0",
    )
    yield from ("model approve v1.1 --why good", "model reject v1.3 --why bad", "model archive v9.0 --why old")
    yield from ("model split v1.1=10% --env prod --yes", "model shadow v1.2 --env prod --yes")
    yield from ("model split --off --env prod", "model shadow --off --env prod")
    yield from ("model promote v1.1 --yes --why better", "model rollback --yes --why worse", "model bake v1.1")
    Path("value.txt").write_text("of great value")
    yield "secrets set MAPS_API_KEY --env prod --from-file value.txt"
    yield from ("secrets list --env prod", "secrets unset MAPS_API_KEY --env prod --yes", "app key --env prod")


def _typed_of_bundles(world: OnAws) -> Iterator[str]:
    """What is typed where there is an app that devices run."""
    version = bundles.publish(world.aws.moto, world.aws.names, "a").version
    yield f"app split {version}=10% --env dev --yes"
    yield from ("app pause --env dev", "app list", "app show --env dev", "app devices --env dev")
    yield from ("app promote --env dev --yes", "app rollback --env dev --yes")


@contextlib.contextmanager
def _world(**described: object) -> Iterator[OnAws]:
    """An app on AWS, in whose folder commands are typed; `described` are further sections of shipway.yaml."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        root = Path(folder).resolve()
        patch.chdir(root)
        patch.setitem(wiring.TARGETS, "double", "tests.doubles.aws.target")
        patch.setenv("SHIPWAY_TARGET", "double")
        world = OnAws(root, patch, **described)
        try:
            yield world
        finally:
            world.close()


def _trained() -> Path:
    """What a training wrote."""
    return write_model(Path("new"), b"tree of another training\n", version="v9.0")


def _run(typed: str) -> tuple[int, str]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        return shipway(typed.split()), said.getvalue()


def _rollback(world: OnAws) -> str:
    stream = next(id for id in reversed(world.aws.builds) if "prod-rollout" in id).rpartition(":")[2]
    return f"prod-back-{stream[:8]}"


def _command(typed: str) -> str:
    words = typed.split()
    return (
        " ".join(words[:2])
        if words[0] in ("run", "model", "train", "monitor", "features", "secrets", "app")
        else words[0]
    )


def _grouped(calls: list[str]) -> str:
    services: dict[str, list[str]] = {}
    for call in calls:
        service, _, operation = call.partition(":")
        services.setdefault(service, []).append(operation)
    return "; ".join(f"{service}: {', '.join(sorted(operations))}" for service, operations in sorted(services.items()))
