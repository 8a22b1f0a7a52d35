"""Who may change whom Shipway trusts, and what is remembered of it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipway.core.description.app import App
from shipway.core.errors import Refused, UsageError
from shipway.local.state.store import Store
from shipway.pipeline.operator import Operator
from tests.pipeline.house import APP, DESCRIPTION

MALLORY = {"roles.lead": "ann → ann, mallory"}
UNGATED = {"environments.prod.approval": "lead within 60 s → nobody needs to approve"}


def described(change: Callable[[dict[str, Any]], object]) -> App:
    description = copy.deepcopy(DESCRIPTION)
    change(description)
    return App.model_validate(description)


WITH_MALLORY = described(lambda d: d["roles"]["lead"].append("mallory"))
WITHOUT_GATE = described(lambda d: d["environments"]["prod"].pop("approval"))


class World:
    """A working copy, whose newest commit holds `committed`, and the app that the daemon goes by."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.committed: App | None = APP
        self.governs = APP
        self.operator = Operator(store, self._read, lambda: 1000.0)

    def _read(self) -> App:
        if self.committed is None:
            raise UsageError("no commit")
        return self.committed

    def start(self, found: App) -> None:
        self.governs = self.operator.start(found, "root")

    def reload(self, found: App, uncommitted: bool = False) -> dict[str, str]:
        def apply(app: App) -> None:
            self.governs = app

        return self.operator.reload(found, "mallory", uncommitted, apply)

    def audited(self) -> list[tuple[str, str, dict[str, Any]]]:
        return [(entry.who, entry.action, dict(entry.detail)) for entry in reversed(self.store.audit(10))]


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(Store(tmp_path / "state.db"))
    made.start(APP)
    return made


@pytest.mark.parametrize(("edited", "change"), [(WITH_MALLORY, MALLORY), (WITHOUT_GATE, UNGATED)])
def test_an_uncommitted_edit_gives_nobody_a_role(world: World, edited: App, change: dict[str, str]) -> None:
    """Neither a new holder nor a dropped approval takes effect at a reload, and the refusal names it."""
    (line,) = [f"{what}: {how}" for what, how in change.items()]
    with pytest.raises(Refused) as refused:
        world.reload(edited)
    assert line in refused.value.what
    assert (APP, []) == (world.governs, world.audited())


@pytest.mark.parametrize(("edited", "change"), [(WITH_MALLORY, MALLORY), (WITHOUT_GATE, UNGATED)])
def test_a_committed_change_takes_effect_and_is_audited(world: World, edited: App, change: dict[str, str]) -> None:
    """Who read it, and what was and is."""
    world.committed = edited
    assert change == world.reload(edited)
    assert (edited, [("mallory", "reloaded", change)]) == (world.governs, world.audited())


def test_an_uncommitted_change_that_was_asked_for_is_shown_as_such(world: World) -> None:
    """In the audit log, and until it is committed in the status."""
    assert MALLORY == world.reload(WITH_MALLORY, uncommitted=True)
    assert [("mallory", "reloaded", MALLORY | {"uncommitted": True})] == world.audited()
    assert (WITH_MALLORY, False) == (world.governs, world.operator.committed)
    world.committed = WITH_MALLORY
    assert {} == world.reload(WITH_MALLORY)
    assert world.operator.committed


def test_a_restart_is_no_way_around(world: World) -> None:
    """What was edited and not committed is left out, and the status says what."""
    world.start(WITH_MALLORY)
    assert (APP, MALLORY, []) == (world.governs, world.operator.held_back, world.audited())
    world.committed = WITH_MALLORY
    world.start(WITH_MALLORY)
    assert (WITH_MALLORY, {}, [("root", "reloaded", MALLORY)]) == (
        world.governs, world.operator.held_back, world.audited(),
    )  # fmt: skip


def test_every_reload_is_audited(world: World) -> None:
    """Ports change without a word about roles, and still somebody did it."""
    moved = described(lambda d: d["environments"]["prod"].update(port=9090))
    assert {} == world.reload(moved)
    assert (9090, [("mallory", "reloaded", {})]) == (world.governs.environments["prod"].port, world.audited())


def test_what_could_not_be_applied_changed_nobodys_roles(world: World) -> None:
    """A port that is taken leaves everything as it was."""
    world.committed = WITH_MALLORY

    def taken(app: App) -> None:
        raise UsageError("port 8080 is taken")

    with pytest.raises(UsageError, match="taken"):
        world.operator.reload(WITH_MALLORY, "ann", False, taken)
    assert [] == world.audited()
    world.start(APP)
    assert APP == world.governs


def test_the_first_start_takes_what_is_there(tmp_path: Path) -> None:
    """There is nothing before it to go by; that it was not committed is known."""
    world = World(Store(tmp_path / "state.db"))
    world.committed = None
    world.start(WITH_MALLORY)
    assert (WITH_MALLORY, False) == (world.governs, world.operator.committed)
