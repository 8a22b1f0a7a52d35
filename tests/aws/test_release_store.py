"""What is remembered in the bucket of releases, against S3's conditional writes (moto)."""

from dataclasses import replace

import pytest

from shipway.aws.calls import Calls
from shipway.aws.names import Names
from shipway.aws.release_store import LostRace, ReleaseStore
from shipway.core.description.app import App
from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.core.events import AuditEntry
from shipway.core.releases.release import Artifact, Release
from shipway.core.rollouts.records import EnvironmentRecord, PendingCommand
from tests.aws.descriptions import ontime


@pytest.fixture
def store(calls: Calls, names: Names) -> ReleaseStore:
    return ReleaseStore(calls, names)


def release(id: str, app: App | None = None) -> Release:
    artifact = Artifact("backend-api", "a" * 64, f"123456789012.dkr.ecr.us-east-1.amazonaws.com/x@sha256:{'a' * 64}")
    return Release(id, "c" * 40, app or ontime(), {"backend-api": artifact}, "v1.0", "m" * 64, "s", 7.5, {})


def test_a_release_comes_back_as_it_was_written(store: ReleaseStore):
    assert store.add_release(release) == store.release("r1") == release("r1")


def test_releases_are_numbered_one_after_the_other_and_listed_newest_first(store: ReleaseStore):
    for _ in range(12):
        store.add_release(release)
    assert ["r12", "r11", "r10"] == [found.id for found in store.releases(3)]


def test_two_writers_of_one_number_each_get_one_of_their_own(store: ReleaseStore):
    """The second one made its release before it saw the first one's."""

    def slow(id: str) -> Release:
        if id == "r1":
            store.add_release(lambda other: replace(release(other), created_at=8.0))
        return release(id)

    assert "r2" == store.add_release(slow).id
    assert ["r2", "r1"] == store.release_ids()


@pytest.mark.parametrize("id", ["r9", "../x", "current", ""])
def test_an_unknown_release_is_a_mistake_of_the_caller(store: ReleaseStore, id: str):
    with pytest.raises(UsageError, match="no release"):
        store.release(id)


def test_a_write_whose_answer_was_lost_and_that_is_sent_twice_is_no_lost_race(store: ReleaseStore):
    record = EnvironmentRecord("dev", history=("r1",))
    assert store.keep_history(record, None) == store.keep_history(record, None)


def test_a_history_is_written_over_only_by_who_has_read_it(store: ReleaseStore):
    first = store.keep_history(EnvironmentRecord("dev", history=("r1",)), None)
    store.keep_history(EnvironmentRecord("dev", history=("r1", "r2")), first)
    with pytest.raises(LostRace):
        store.keep_history(EnvironmentRecord("dev", history=("r1", "r3")), first)
    with pytest.raises(LostRace):
        store.keep_history(EnvironmentRecord("dev"), None)
    found = store.history("dev")
    assert found is not None
    assert ("r1", "r2") == found.record.history


def test_a_command_is_taken_up_once(store: ReleaseStore):
    assert store.take_command("dev") is None
    asked = PendingCommand("dev", "pause", "ann", "lunch")
    store.order(asked)
    assert asked == store.take_command("dev")
    assert store.take_command("dev") is None
    store.order(PendingCommand("dev", "resume", "ann", ""))
    assert "resume" == getattr(store.take_command("dev"), "command", None)


def test_nothing_is_ordered_after_an_abort_that_waits(store: ReleaseStore):
    store.order(PendingCommand("dev", "abort", "ann", ""))
    with pytest.raises(Refused, match="ann has aborted"):
        store.order(PendingCommand("dev", "promote", "bob", ""))


def test_audit_entries_come_back_newest_first(store: ReleaseStore):
    for at in (1.0, 3.5, 2.0):
        store.add_audit(AuditEntry(at, "ann", "rollout", "dev", "", {"release": "r1"}))
    assert [3.5, 2.0] == [entry.at for entry in store.audit("dev", 2)]


def test_a_damaged_object_is_reported_with_its_address(store: ReleaseStore, calls: Calls, names: Names):
    calls.call("s3", "put_object", Bucket=names.releases_bucket, Key="r1.json", Body=b'{"id": 1}')
    with pytest.raises(ShipwayError, match=r"s3://.*/r1.json is not what Shipway writes"):
        store.release("r1")


def test_without_the_bucket_the_fix_is_to_apply_terraform(calls: Calls, names: Names):
    calls.call("s3", "delete_bucket", Bucket=names.releases_bucket)
    with pytest.raises(ShipwayError, match="there is no bucket") as caught:
        ReleaseStore(calls, names).release("r1")
    assert "infra/app" in caught.value.fix
