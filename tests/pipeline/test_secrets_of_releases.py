"""Secrets and what is released: what lacks one is refused, what has another value now is started anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shipway.core.description.app import App
from shipway.core.errors import Refused, UsageError
from shipway.core.releases.run import Run
from shipway.core.secrets.needed import check_set
from tests.pipeline.house import DESCRIPTION, House

APP = App.model_validate(
    DESCRIPTION | {"services": {"hello": {**DESCRIPTION["services"]["hello"], "secrets": ["KEY", "OTHER_KEY"]}}}
)
VALUE = "of great value"


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[House]:
    """An app whose service names two secrets; both have a value in dev, one has in prod."""
    house = House(tmp_path)
    house.app = house.described = APP
    for environment, name in (("dev", "KEY"), ("dev", "OTHER_KEY"), ("prod", "KEY")):
        house.secrets.set(environment, name, VALUE)
    yield house
    house.close()


def ended(house: House, run: Run) -> Run:
    return house.until(run.id, "succeeded", "refused", "failed", "rolled_back")


def deployed(house: House, commit: str = "c1") -> Run:
    return ended(house, house.control.deploy(commit, "dev", "bob"))


def stable(house: House) -> str | None:
    return house.rollouts.record_of("dev").stable


def test_a_deploy_is_refused_before_anything_starts_when_an_environment_on_its_way_lacks_a_value(keyed: House) -> None:
    """With the command that sets it; no run is made."""
    with pytest.raises(Refused, match=r"no value is set for OTHER_KEY in prod \(hello needs it\)") as refused:
        keyed.control.deploy("c1", None, "bob")
    assert "shipway secrets set OTHER_KEY --env prod" == refused.value.fix
    assert [] == keyed.all_runs()
    assert "succeeded" == deployed(keyed).status


def test_the_key_that_signs_bundles_has_a_command_of_its_own() -> None:
    """Nobody has one to type in: it is made."""
    hello = DESCRIPTION["services"]["hello"] | {"secrets": ["APP_SIGNING_KEY"]}
    app = App.model_validate(DESCRIPTION | {"services": {"hello": hello}})
    with pytest.raises(Refused) as refused:
        check_set(app, {"dev": [], "prod": ["APP_SIGNING_KEY"]})
    assert "shipway app key --env dev" == refused.value.fix


def test_what_was_unset_while_a_run_waited_is_found_before_its_rollout(keyed: House) -> None:
    """A gate may take days."""
    keyed.secrets.set("prod", "OTHER_KEY", VALUE)
    run = keyed.control.deploy("c1", None, "bob")
    keyed.until(run.id, "waiting")
    keyed.secrets.unset("prod", "OTHER_KEY")
    keyed.control.answer(run.id, approved=True, who="ann", why="fine")
    assert "no value is set for OTHER_KEY in prod" in ended(keyed, run).reason
    assert keyed.rollouts.record_of("prod").stable is None


def test_the_same_commit_again_starts_tasks_anew_once_a_value_was_changed(keyed: House) -> None:
    """As a release of its own; with the values as they were it changes nothing."""
    deployed(keyed)
    deployed(keyed)
    assert "r1" == stable(keyed)
    change = keyed.control.secrets.set("dev", "KEY", "another of great value", "ann", "")
    assert (True, ("hello",), "shipway deploy c1 --env dev") == (change.changed, change.running, change.redeploy)
    run = deployed(keyed)
    assert "r2" == stable(keyed)
    told = [event.text for event in keyed.control.events(run.id, 0, 0)[1]]
    assert "changed since it was started: KEY" in told
    deployed(keyed)
    assert "r2" == stable(keyed)


def test_a_release_that_brings_only_a_model_keeps_what_its_tasks_were_started_with(keyed: House) -> None:
    """Its tasks go on, and the change of a value is still to come."""
    deployed(keyed)
    keyed.control.secrets.set("dev", "KEY", "another of great value", "ann", "")
    run = keyed.control.models.promote("v1.1", ["dev"], "ann", "better").run
    assert run is not None
    ended(keyed, run)
    before = stable(keyed)
    deployed(keyed)
    assert "r1" != before != stable(keyed)


def test_a_rollback_to_what_is_warm_has_the_values_of_then(keyed: House) -> None:
    """Its tasks run: nothing is started, and the next deploy knows."""
    deployed(keyed)
    keyed.control.secrets.set("dev", "KEY", "another of great value", "ann", "")
    deployed(keyed)
    ended(keyed, keyed.control.roll_back("dev", "ann", "bad"))
    assert "r1" == stable(keyed)
    deployed(keyed)
    assert "r3" == stable(keyed)


def test_what_a_service_names_is_not_unset(keyed: House) -> None:
    """By shipway.yaml, or by what serves there; what nobody names is, and what has no value changes nothing."""
    deployed(keyed)
    keyed.app = App.model_validate(DESCRIPTION)
    with pytest.raises(Refused, match=r"KEY is named by hello of r1: .* could not be started again in dev") as refused:
        keyed.control.secrets.unset("dev", "KEY", "ann", "")
    assert "take KEY out of `secrets:`" in refused.value.fix
    assert keyed.control.secrets.unset("prod", "KEY", "ann", "").changed
    assert not keyed.control.secrets.unset("prod", "KEY", "ann", "").changed


def test_who_may_not_let_a_release_in_sets_no_secret_there(keyed: House) -> None:
    """The roles that the environment's approval names; everyone where there is none."""
    for change in (
        lambda: keyed.control.secrets.set("prod", "KEY", "mine", "bob", ""),
        lambda: keyed.control.secrets.unset("prod", "KEY", "bob", ""),
    ):
        with pytest.raises(Refused, match=r"bob may not .*set a secret in prod"):
            change()
    assert keyed.control.secrets.set("dev", "KEY", "mine", "bob", "").changed
    assert VALUE == keyed.secrets.values["prod", "KEY"]


def test_the_audit_holds_names_and_no_value(keyed: House) -> None:
    """Changes only, with who and why."""
    for _ in range(2):
        keyed.control.secrets.set("prod", "KEY", "another of great value", "ann", "it leaked")
    [entry] = keyed.store.audit(10)
    said = (entry.who, entry.action, entry.environment, entry.why, entry.detail)
    assert ("ann", "set secret", "prod", "it leaked", {"secret": "KEY"}) == said


def test_what_is_listed_has_a_value_or_is_named(keyed: House) -> None:
    """So that it is seen what lacks one."""
    listed = {
        secret.name: (secret.set_at is not None, secret.services) for secret in keyed.control.secrets.list("prod")
    }
    assert {"KEY": (True, ("hello",)), "OTHER_KEY": (False, ("hello",))} == listed


@pytest.mark.parametrize(
    ("environment", "name", "value"), [("moon", "KEY", "v"), ("dev", "a-b", "v"), ("dev", "KEY", "")]
)
def test_what_cannot_be_set_is_usage(keyed: House, environment: str, name: str, value: str) -> None:
    """Nothing changes."""
    with pytest.raises(UsageError):
        keyed.control.secrets.set(environment, name, value, "ann", "")
    assert VALUE == keyed.secrets.values["dev", "KEY"]
