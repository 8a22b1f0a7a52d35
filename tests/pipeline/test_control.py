"""The verbs over real runs, a real store and a target in memory: gates, supersession, retries, rollbacks, models."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.core.releases.release import Artifact, Release
from shipway.core.releases.run import Run
from shipway.pipeline import engine
from tests.pipeline.house import APP, House


def test_a_commit_waits_at_the_gate_and_goes_on(house: House) -> None:
    """Dev by itself, prod after an approval that names who and why."""
    run = house.control.deploy("c1", None, "bob")
    waiting = house.until(run.id, "waiting")
    assert ("dev",) == waiting.done
    assert waiting.gate is not None
    assert ("prod", ("lead",)) == (waiting.gate.environment, waiting.gate.roles)
    house.control.answer(run.id, approved=True, who="ann", why="looks good")
    assert ("dev", "prod") == house.until(run.id, "succeeded").done
    approvals = [entry for entry in house.store.audit(50) if entry.action == "approved"]
    assert [("ann", "looks good", "prod")] == [(e.who, e.why, e.environment) for e in approvals]


def test_without_the_role_nobody_approves(house: House) -> None:
    """The gate stays shut, and the run goes on waiting."""
    run = house.control.deploy("c1", None, "bob")
    house.until(run.id, "waiting")
    with pytest.raises(Refused, match="one of the roles lead"):
        house.control.answer(run.id, approved=True, who="bob", why="mine")
    assert "waiting" == house.run(run.id).status


def test_rejected(house: House) -> None:
    """A rejection ends the run with its reason; prod is untouched."""
    run = house.control.deploy("c1", None, "bob")
    house.until(run.id, "waiting")
    house.control.answer(run.id, approved=False, who="ann", why="not on Fridays")
    ended = house.until(run.id, "rejected")
    assert "rejected by ann: not on Fridays" == ended.reason
    assert 3 == ended.exit_code
    assert house.rollouts.record_of("prod").stable is None


def test_expired(house: House) -> None:
    """A gate that nobody answers ends the run, and can't be passed afterwards."""
    prod = APP.environments["prod"]
    assert prod.approval is not None
    soon = prod.model_copy(update={"approval": prod.approval.model_copy(update={"expires": 0.05})})
    house.app = APP.model_copy(update={"environments": {**APP.environments, "prod": soon}})
    run = house.control.deploy("c1", None, "bob")
    house.until(run.id, "expired")
    with pytest.raises(Refused, match="expired"):
        house.control.answer(run.id, approved=True, who="ann", why="late")


def test_a_newer_commit_supersedes_what_waits(house: House) -> None:
    """Two commits, one gate: only the newer one can be approved."""
    older = house.control.deploy("c1", None, "bob")
    house.until(older.id, "waiting")
    newer = house.control.deploy("c2", None, "bob")
    assert "superseded" == house.until(older.id, "superseded").status
    house.until(newer.id, "waiting")
    with pytest.raises(Refused, match="superseded"):
        house.control.answer(older.id, approved=True, who="ann", why="too late")


def test_no_release_is_made_with_a_model_whose_digest_does_not_match(house: House) -> None:
    """The files of the version that new releases take are checked before a release names it."""
    house.registry.promoted("v6.6")
    ended = house.until(house.control.deploy("c1", None, "bob").id, "refused", "waiting", "succeeded")
    assert ("refused", "model v6.6: model.txt has another sha256") == (ended.status, ended.reason)
    assert (None, []) == (ended.release, list(house.store.all(Release)))


def test_a_model_that_was_damaged_since_its_promotion_was_asked_for_makes_no_release(house: House) -> None:
    """A promotion may wait for its turn: its files are checked again when the release is made."""
    house.until(house.control.deploy("c1", "dev", "bob").id, "succeeded")
    promotion = Run("77", "model", "", "promote v6.6", None, ("dev",), "ann", time.time(), model_version="v6.6")
    house.store.put("77", promotion)
    house.runs.carry_out("77")
    ended = house.run("77")
    assert ("refused", "model v6.6: model.txt has another sha256") == (ended.status, ended.reason)
    assert ["r1"] == [release.id for release in house.store.all(Release)]


def test_a_first_release_that_fails_is_not_called_rolled_back(house: House) -> None:
    """There is nothing to go back to: it is a failure, exit code 1, and its story says so."""
    house.target.crash_on = frozenset({"r1"})
    ended = house.until(house.control.deploy("c1", "dev", "bob").id, "failed", "rolled_back")
    assert ("failed", 1) == (ended.status, ended.exit_code)
    assert ended.reason.startswith("not released: ")
    told = " ".join(event.text for event in house.store.events(ended.id, 0))
    assert ("not released, after " in told, "rolled back" in told) == (True, False)
    assert "not released" in {entry.action for entry in house.store.audit(10)}


def test_failing_tests_end_the_run_before_any_environment(house: House) -> None:
    """A refused build is exit code 3; retrying after the cause is gone works."""
    house.workshop.failing.add("c1")
    run = house.control.deploy("c1", None, "bob")
    ended = house.until(run.id, "refused")
    assert (3, ()) == (ended.exit_code, ended.done)
    house.workshop.failing.clear()
    again = house.control.retry(run.id, "bob")
    assert run.id == again.retry_of
    house.until(again.id, "waiting")


def test_a_run_that_succeeded_is_not_retried(house: House) -> None:
    """There is nothing to do again."""
    run = house.release("c1")
    with pytest.raises(Refused, match="nothing to retry"):
        house.control.retry(run.id, "bob")


def test_an_unknown_commit_starts_nothing(house: House) -> None:
    """A usage error leaves no run behind."""
    with pytest.raises(UsageError):
        house.control.deploy("unknown", None, "bob")
    assert [] == house.all_runs()


@pytest.mark.parametrize(("commit", "environment"), [("", None), (" ", None), ("c1", "")])
def test_an_empty_name_deploys_nothing(house: House, commit: str, environment: str | None) -> None:
    """It is asked for as it was written; only where nothing was written the newest commit is meant."""
    with pytest.raises(UsageError):
        house.control.deploy(commit, environment, "bob")
    assert [] == house.all_runs()


def test_a_bad_candidate_ends_the_run_as_rolled_back(house: House) -> None:
    """Exit code 4 and the reason; prod keeps what it had."""
    house.release("c1")
    house.target.fail_on = frozenset({"r2"})
    ended = house.until(house.control.deploy("c2", None, "bob").id, "rolled_back")
    assert 4 == ended.exit_code
    assert "failed" in ended.reason
    assert "r1" == house.rollouts.record_of("dev").stable


def test_the_same_commit_again_is_no_new_release(house: House) -> None:
    """Everything serves already: nothing is started, nobody is asked, and the story says what serves."""
    house.release("c1")
    house.target.calls.clear()
    again = house.until(house.control.deploy("c1", None, "bob").id, "succeeded", "waiting")
    assert ("succeeded", 0, "r1", ("dev", "prod")) == (again.status, again.exit_code, again.release, again.done)
    assert [] == house.target.calls
    told = [event.text for event in house.store.events(again.id, 0) if "serves" in event.text]
    assert ["dev already serves exactly this, as r1", "prod already serves exactly this, as r1"] == told
    assert ["r1"] == [release.id for release in house.store.all(Release)]


def test_the_same_commit_goes_on_where_it_does_not_serve_yet(house: House) -> None:
    """What dev serves is taken to prod as the release that it is, past prod's gate."""
    first = house.control.deploy("c1", None, "bob")
    house.until(first.id, "waiting")
    house.control.answer(first.id, approved=False, who="ann", why="not yet")
    house.until(first.id, "rejected")
    assert "r1" == house.release("c1").release
    assert "r1" == house.rollouts.record_of("prod").stable


@pytest.mark.parametrize("change", ["model", "description", "code"])
def test_the_same_commit_with_something_else_is_a_new_release(house: House, change: str) -> None:
    """A new model or bytes that were built otherwise are deployed; so is another commit's description."""
    house.release("c1")
    if change == "model":
        house.registry.promoted("v1.1")
    elif change == "description":
        services = {"hello": APP.services["hello"].model_copy(update={"command": "run faster"})}
        house.described = APP.model_copy(update={"services": services})
    else:
        house.workshop.build = lambda commit, name, service, tell: Artifact(name, "e" * 64, "/tree")  # type: ignore[method-assign]
    assert "r2" == house.release("c1").release
    assert "r2" == house.rollouts.record_of("prod").stable


def test_another_commit_with_the_same_content_is_let_in_without_a_rollout(house: House) -> None:
    """Its release is noted, and stays the same one when that commit is deployed once more."""
    house.release("c1")
    house.workshop.build = lambda commit, name, service, tell: Artifact(name, "c1".ljust(64, "0"), "/tree")  # type: ignore[method-assign]
    house.target.calls.clear()
    assert ["r2", "r1"] == [house.release("c2").release, house.rollouts.record_of("prod").stable]
    again = house.until(house.control.deploy("c2", None, "bob").id, "succeeded", "waiting")
    assert ("succeeded", "r2") == (again.status, again.release)
    assert [] == house.target.calls


def test_after_a_rollback_the_same_commit_is_deployed_again(house: House) -> None:
    """It does not serve any more."""
    house.release("c1")
    house.release("c2")
    house.until(house.control.roll_back("prod", "ann", "worse").id, "succeeded")
    house.release("c2")
    record = house.rollouts.record_of("prod")
    assert house.store.get(Release, record.stable or "").commit == "c2"  # type: ignore[union-attr]


def test_what_stays_behind_is_told_with_the_run(house: House) -> None:
    """Uncommitted changes in the services' folders and in shipway.yaml, and which commit a name meant."""
    assert ("2 uncommitted changes stay behind: shipway.yaml/new, hello/new",) == house.control.deploy(
        "dirty", "dev", "bob"
    ).notes
    assert () == house.control.deploy("c1", "dev", "bob").notes


def test_rollback_and_rollback_again(house: House) -> None:
    """Each rollback goes one release back, until there is none."""
    for commit in ("c1", "c2", "c3"):
        house.release(commit)
    for expected in ("r2", "r1"):
        run = house.control.roll_back("prod", "ann", "worse")
        house.until(run.id, "succeeded")
        assert expected == house.rollouts.record_of("prod").stable
    with pytest.raises(Refused, match="no release before"):
        house.control.roll_back("prod", "ann", "further")


def test_rollback_during_a_rollout_aborts_it(house: House) -> None:
    """A person who wants back gets back, whether or not the rollout has ended."""
    house.release("c1")
    house.target.hold.clear()
    run = house.control.deploy("c2", None, "bob")
    house.reached(lambda: house.rollouts.under_way("dev") is not None)
    assert run.id == house.control.roll_back("dev", "bob", "changed my mind").id
    house.target.hold.set()
    assert "rolled back: aborted" == house.until(run.id, "rolled_back").reason
    assert "r1" == house.rollouts.record_of("dev").stable


def test_rollback_needs_the_role(house: House) -> None:
    """Who may not approve may not roll back either."""
    house.release("c1")
    with pytest.raises(Refused, match="lead"):
        house.control.roll_back("prod", "bob", "mine")


def test_a_model_is_promoted_everywhere_and_back(house: House) -> None:
    """Each environment swaps; `latest` follows; a rollback brings the version before back."""
    house.release("c1")
    assert house.control.models.promote("v1.0", [], "ann", "first").run is not None
    house.until("2", "succeeded")
    run = house.control.models.promote("v1.1", [], "ann", "better").run
    assert run is not None
    house.until(run.id, "succeeded")
    assert ("v1.1", {"v1.1"}) == (house.registry.current, set(house.target.models.values()))
    assert "new releases take model v1.1, which ann approves by that" in [e.text for e in house.store.events(run.id, 0)]
    back = house.control.models.roll_back([], "ann", "worse").run
    assert back is not None
    house.until(back.id, "succeeded")
    assert ("v1.0", {"v1.0"}) == (house.registry.current, set(house.target.models.values()))


def test_a_model_promoted_in_dev_alone_is_not_what_new_releases_take(house: House) -> None:
    """Dev may try a model without deciding what production gets next."""
    house.release("c1")
    run = house.control.models.promote("v1.1", ["dev"], "bob", "an experiment").run
    assert run is not None
    house.until(run.id, "succeeded")
    assert "v1.0" == house.registry.current
    assert {("dev", "blue"): "v1.1", ("prod", "blue"): "v1.0"} == house.target.models


def test_a_broken_model_changes_nothing(house: House) -> None:
    """A version whose digest does not match is refused; one that tasks can't load is taken back."""
    house.release("c1")
    with pytest.raises(Refused, match="sha256"):
        house.control.models.promote("v6.6", [], "ann", "")
    house.target.broken_models = frozenset({"v1.1"})
    run = house.control.models.promote("v1.1", [], "ann", "").run
    assert run is not None
    assert 4 == house.until(run.id, "rolled_back").exit_code
    assert "v1.0" == house.registry.current
    assert {"v1.0"} == set(house.target.models.values())


def test_the_operators_gate_counts_not_the_commits(house: House) -> None:
    """A commit whose own description has no approval waits all the same."""
    open_prod = APP.environments["prod"].model_copy(update={"approval": None})
    weak = APP.model_copy(update={"environments": {**APP.environments, "prod": open_prod}})
    house.control._parts = replace(house.control._parts, read_app=lambda _: weak)
    run = house.control.deploy("c1", None, "bob")
    assert "waiting" == house.until(run.id, "waiting").status


def test_the_first_answer_counts(house: House) -> None:
    """Who rejects what was approved a moment before is told so, and the audit log holds one answer."""
    run = house.control.deploy("c1", None, "bob")
    house.until(run.id, "waiting")
    house.target.hold.clear()
    house.control.answer(run.id, approved=True, who="ann", why="fine")
    with pytest.raises(Refused):
        house.control.answer(run.id, approved=False, who="ann", why="no!")
    house.target.hold.set()
    house.until(run.id, "succeeded")
    assert ["approved"] == [e.action for e in house.store.audit(50) if e.action in ("approved", "rejected")]


def test_a_changed_description_is_rolled_out(house: House) -> None:
    """Equal bytes with another variable are another release."""
    house.release("c1")
    service = APP.services["hello"].model_copy(update={"env": {"COLOUR": "red"}})
    changed = APP.model_copy(update={"services": {"hello": service}})
    house.runs._parts = replace(house.runs._parts, read_app=lambda _: changed)
    house.release("c1")
    assert "r2" == house.rollouts.record_of("prod").stable


def test_a_commit_without_the_environment_is_refused(house: House) -> None:
    """An environment that only the operator's shipway.yaml has can't take the commit."""
    less = APP.model_copy(update={"environments": {"dev": APP.environments["dev"]}})
    house.control._parts = replace(house.control._parts, read_app=lambda _: less)
    with pytest.raises(UsageError, match="knows no environment 'prod'"):
        house.control.deploy("c1", None, "bob")
    assert [] == house.all_runs()


def test_a_retry_does_not_bring_back_an_older_commit(house: House) -> None:
    """Of an order that a newer commit has overtaken, only a deploy by name is the word to carry it out."""
    house.workshop.failing.add("c1")
    old = house.until(house.control.deploy("c1", None, "bob").id, "refused")
    house.release("c2")
    house.workshop.failing.clear()
    with pytest.raises(Refused, match="run 2 has brought a newer commit to dev") as refused:
        house.control.retry(old.id, "bob")
    assert "shipway deploy --env prod c1 brings this one all the same" == refused.value.fix
    house.release("c1")
    assert "c1" == house.served("prod")


def test_an_older_commit_of_another_branch_is_not_retried_over_a_newer_one(house: House) -> None:
    """Dev takes all branches: what is among the ancestors of what serves there goes in by a deploy alone."""
    house.workshop.failing.add("c1")
    old = house.until(house.control.deploy("c1", None, "bob").id, "refused")
    house.until(house.control.deploy("c2", "dev", "bob").id, "succeeded")
    house.workshop.failing.clear()
    with pytest.raises(Refused, match="dev serves c2 by now, which is newer than c1"):
        house.control.retry(old.id, "bob")
    house.until(house.control.deploy("c1", "dev", "bob").id, "succeeded")
    assert "c1" == house.served("dev")


def test_a_newer_commit_that_fails_its_tests_leaves_the_older_at_its_gate(house: House) -> None:
    """The last good commit can still be approved."""
    older = house.control.deploy("c1", None, "bob")
    house.until(older.id, "waiting")
    house.workshop.failing.add("c2")
    house.until(house.control.deploy("c2", None, "bob").id, "refused")
    house.control.answer(older.id, approved=True, who="ann", why="fine")
    assert ("dev", "prod") == house.until(older.id, "succeeded").done


def test_a_run_that_waits_for_its_turn_says_for_whom(house: House) -> None:
    """Its story names the run that is at work there."""
    house.target.hold.clear()
    first = house.control.deploy("c1", "dev", "bob")
    house.reached(lambda: house.rollouts.under_way("dev") is not None)
    second = house.control.deploy("d1", None, "bob")
    house.reached(lambda: house.run(second.id).enters == "dev")
    house.reached(lambda: "waits for dev: run 1 is at work there" in [e.text for e in house.store.events(second.id, 0)])
    house.target.hold.set()
    house.until(first.id, "succeeded")
    house.until(second.id, "waiting")


def test_a_gate_expires_by_the_clock_whoever_waits(house: House) -> None:
    """The time in which nobody waited, because nothing ran, counts as well."""
    run = house.control.deploy("c1", None, "bob")
    house.until(run.id, "waiting")
    house.store.kill()
    house.rollouts.bell.ring()
    assert house.engine.join(20)
    after = House(house.root, before=house)
    after.store.change(Run, run.id, lambda run: replace(run, gate=replace(run.gate, expires=time.time() - 1)))
    after.control.resume()
    assert "expired by nobody" in after.until(run.id, "expired").reason
    after.close()


def test_a_run_whose_end_could_not_be_written_goes_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk ends no run: it goes on from its record once there is room."""
    monkeypatch.setattr(engine, "AGAIN", 0.01)
    put, full = house.store.put, [ShipwayError("disk full")] * 4

    def put_if_room(id: str, record: object) -> None:
        if isinstance(record, Run) and house.store.get(Run, id) is not None and full:
            raise full.pop()
        put(id, record)

    monkeypatch.setattr(house.store, "put", put_if_room)
    run = house.control.deploy("c1", None, "bob")
    house.until(run.id, "waiting")
    assert [] == full


def test_a_run_that_had_no_thread_is_carried_out_later(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has no thread to give loses no run: whoever resumes finds it."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as exhausted:
        exhausted.setattr(threading.Thread, "start", refuse)
        run = house.control.deploy("c1", "dev", "bob")
    assert ("running", "source") == (run.status, run.stage)
    house.control.resume()
    assert ("dev",) == house.until(run.id, "succeeded").done


def test_a_lost_memory_is_begun_anew(house: House) -> None:
    """With `state.db` moved away, as a damaged one is, the next deploy goes all the way."""
    house.release("c1")
    house.store.kill()
    for file in house.root.glob("state.db*"):
        file.unlink()
    after = House(house.root, before=house)
    assert ("1", "succeeded") == ((run := after.release("c2")).id, run.status)
    assert "c2" == after.served("prod")
    after.close()
