"""The app's bundles on AWS: what the verbs, a look and a rollout do to S3, Parameter Store and the schedule."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from shipway.aws.bundles import AwsBundles
from shipway.aws.calls import Calls
from shipway.aws.looks import Looks
from shipway.aws.names import Names, names_of
from shipway.aws.offering_records import OfferingRecords
from shipway.aws.parameters import Parameters
from shipway.aws.release_store import LostRace, ReleaseStore
from shipway.core.apps.offering import Offering
from shipway.core.contract.bundles import BundleCounts, Offer, Running, Told
from shipway.core.errors import Refused, ShipwayError
from shipway.core.events import AuditEntry
from shipway.core.rollouts.records import EnvironmentRecord
from shipway.wiring import bundle_program
from shipway.wiring.aws_bundles import AppBundles
from tests.aws.descriptions import with_bundles
from tests.aws.rollout_bench import release
from tests.doubles.aws.bundles import furnish, publish
from tests.doubles.source import FakeSource

ENVIRONMENT = "dev"


class OnAws:
    """An app with bundles whose r1 serves in dev, over moto."""

    def __init__(self, calls: Calls, source: FakeSource) -> None:
        self.app, self.calls = with_bundles(), calls
        self.names: Names = names_of(self.app)
        self.store = ReleaseStore(calls, self.names)
        self.bundles = AwsBundles(calls, self.names, Parameters(calls))
        furnish(calls, self.names, list(self.app.environments))
        self.store.add_release(lambda number: release(number, self.app, "2"))
        self.store.keep_history(EnvironmentRecord(ENVIRONMENT, history=("r1",)), None)
        self.desk = AppBundles(self.app, self.names, calls, self.store, source).desk()

    def publish(self, fill: str) -> str:
        """A bundle in the bucket; its version."""
        return publish(self.calls, self.names, fill).version

    def report(self, told: Told) -> None:
        """What a task wrote last."""
        place = {"Bucket": self.names.bundles_bucket, "Key": f"counts/{ENVIRONMENT}/bundles.json"}
        self.calls.call("s3", "put_object", Body=told.text().encode(), **place)

    def offered(self) -> Offer:
        found = self.bundles.offered(ENVIRONMENT)
        assert found is not None
        return found

    def is_looked_at(self) -> bool:
        rule = self.calls.call("events", "describe_rule", Name=self.names.looks_project(ENVIRONMENT))
        return bool(rule["State"] == "ENABLED")

    def look(self) -> int:
        """One build of the scheduled project; its exit code."""
        environ = {
            "RELEASES_BUCKET": self.names.releases_bucket,
            "AWS_REGION": "us-east-1",
            "CODEBUILD_SRC_DIR": "/nowhere",
        }
        return bundle_program.main(["look", "--environment", ENVIRONMENT], environ)


@pytest.fixture
def aws(calls: Calls, tmp_path, monkeypatch: pytest.MonkeyPatch) -> OnAws:
    monkeypatch.setattr(bundle_program, "Calls", lambda region, **_: calls)
    return OnAws(calls, FakeSource(tmp_path))


def test_a_person_lets_a_bundle_out_and_takes_it_back(aws: OnAws):
    """The offer is in Parameter Store at once; it is looked at by the clock only while it is on its way; the audit says who."""
    version = aws.publish("a")
    assert not aws.is_looked_at()
    view = aws.desk.split(ENVIRONMENT, f"{version}=10%", "ann", "try it")
    assert (version, 10.0) == (aws.offered().candidate, aws.offered().percent)
    assert view.candidate is not None
    assert aws.is_looked_at()
    view = aws.desk.promote(ENVIRONMENT, None, "ann", "")
    assert (version, None) == (aws.offered().stable, aws.offered().candidate)
    assert not aws.is_looked_at()
    aws.desk.roll_back(ENVIRONMENT, "bob", "it is ugly")
    assert ("builtin", {version: "it is ugly"}) == (aws.offered().stable, dict(aws.offered().taken_back))
    written = [(entry.who, entry.action) for entry in aws.store.audit(ENVIRONMENT, 10)]
    assert [("bob", "roll the bundle back"), ("ann", "promote bundle"), ("ann", "split the bundle")] == written
    assert [{ENVIRONMENT: "taken back"}] == [one.offered for one in aws.desk.list()]


def test_roles_are_iams(aws: OnAws):
    """shipway.yaml's names are this machine's, so nobody is refused by them."""
    version = aws.publish("a")
    aws.store.keep_history(EnvironmentRecord("prod", history=("r1",)), None)
    assert version == aws.desk.promote("prod", version, "whoever", "").stable


def test_a_look_takes_a_good_bundle_on_until_it_is_stable(aws: OnAws, capsys):
    """Step by step, by the counts that tasks report; then the clock is turned off."""
    version = aws.publish("a")
    _let_out(aws, version)
    assert 0 == aws.look()
    assert 50.0 == aws.offered().percent
    assert "is unknown" in capsys.readouterr().err
    for started, expected in ((0, 50.0), (20, 100.0), (40, 0.0)):
        aws.report(Told({version: BundleCounts(started, started)}, {version: Running(started, 1e9)}))
        assert 0 == aws.look(), capsys.readouterr().err
        assert expected == aws.offered().percent
    assert version == aws.offered().stable
    assert not aws.is_looked_at()
    assert "is every device's" in capsys.readouterr().err


def test_a_look_takes_a_bad_bundle_back(aws: OnAws, capsys):
    """Whoever has it is told to leave it, with the reason; the audit names the platform."""
    version = aws.publish("a")
    _let_out(aws, version)
    aws.report(Told())
    aws.look()
    aws.report(Told({version: BundleCounts(20, 2, 18)}))
    assert 0 == aws.look()
    assert (None, [version]) == (aws.offered().candidate, list(aws.offered().taken_back))
    assert not aws.is_looked_at()
    assert "took back bundle" in capsys.readouterr().err
    assert "take back bundle" == aws.store.audit(ENVIRONMENT, 1)[0].action


def test_a_look_turns_a_clock_off_that_was_left_on(aws: OnAws):
    """As by a program that was killed before its record was written."""
    aws.calls.call("events", "enable_rule", Name=aws.names.looks_project(ENVIRONMENT))
    assert 0 == aws.look()
    assert not aws.is_looked_at()


def test_a_look_tells_again_what_a_killed_program_did_not(aws: OnAws):
    """The record says it first, so the parameter follows."""
    version = aws.publish("a")
    aws.desk.split(ENVIRONMENT, f"{version}=10%", "ann", "")
    Parameters(aws.calls).put(aws.names.offer(ENVIRONMENT), Offer().text())
    aws.look()
    assert version == aws.offered().candidate


def test_two_writers_never_overwrite_each_other(aws: OnAws):
    """The second one loses, and nothing of it is told or audited."""
    said: list[str] = []
    ours_store = ReleaseStore(aws.calls, aws.names)
    ours, theirs = (
        OfferingRecords(ours_store, Looks(aws.calls, aws.names), (ENVIRONMENT,), said.append) for _ in range(2)
    )

    def change() -> None:
        with ours.transaction():
            ours.get(Offering, ENVIRONMENT)
            theirs.put(ENVIRONMENT, Offering(ENVIRONMENT, since=2.0))
            ours.put(ENVIRONMENT, Offering(ENVIRONMENT, since=1.0))
            ours.add_audit(AuditEntry(1.0, "ann", "lost", ENVIRONMENT))

    with pytest.raises(LostRace):
        change()
    assert [] == ours_store.audit(ENVIRONMENT, 10)
    found = ours.get(Offering, ENVIRONMENT)
    assert found is not None
    assert 2.0 == found.since
    assert [] == said


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda aws: None, "no task has reported yet"),
        (lambda aws: aws.calls.call("s3", "put_object", **_counts(aws), Body=b'{"versions": 1}'), "versions: found 1"),
    ],
)
def test_counts_that_are_not_there_are_unknown(aws: OnAws, spoil: Callable[[OnAws], object], said: str):
    spoil(aws)
    with pytest.raises(ShipwayError, match=said):
        aws.bundles.told(ENVIRONMENT)
    assert aws.desk.show(ENVIRONMENT).counts is None


def test_old_counts_are_unknown(aws: OnAws, monkeypatch: pytest.MonkeyPatch):
    """A bundle must not go on by what was counted before its devices had it."""
    aws.report(Told())
    assert Told() == aws.bundles.told(ENVIRONMENT)
    call = aws.calls.call

    def later(service: str, operation: str, /, **request: object) -> dict:
        answer = call(service, operation, **request)
        if operation == "get_object":
            answer["LastModified"] = datetime.now(UTC) - timedelta(minutes=12)
        return answer

    monkeypatch.setattr(aws.calls, "call", later)
    with pytest.raises(ShipwayError, match="tasks reported 12 minutes ago"):
        aws.bundles.told(ENVIRONMENT)


def test_a_bundle_that_is_changed_in_s3_is_refused(aws: OnAws):
    """Neither promoted by a person nor brought by a release."""
    version = aws.publish("a")
    aws.bundles._put(f"{version}/bundle.zip", b"another")
    with pytest.raises(Refused, match="was changed in S3"):
        aws.desk.promote(ENVIRONMENT, version, "ann", "")
    assert Offer() == aws.offered()


def test_without_its_parameter_an_environment_offers_nothing(aws: OnAws):
    """The message says which Terraform makes it."""
    version = aws.publish("a")
    aws.calls.call("ssm", "delete_parameter", Name=aws.names.offer(ENVIRONMENT))
    with pytest.raises(ShipwayError, match="there is no parameter /ontime/dev/app-bundles") as error:
        aws.desk.promote(ENVIRONMENT, version, "ann", "")
    assert "infra apply dev" in error.value.fix


def _let_out(aws: OnAws, version: str) -> None:
    """As a release does: by the policy of shipway.yaml."""
    aws.desk.split(ENVIRONMENT, f"{version}=1%", "ann", "")
    aws.desk.pause(ENVIRONMENT, "ann", "", off=True)


def _counts(aws: OnAws) -> dict[str, str]:
    return {"Bucket": aws.names.bundles_bucket, "Key": f"counts/{ENVIRONMENT}/bundles.json"}


def test_what_is_stored_is_plain_json(aws: OnAws):
    """A person may read the record in the bucket."""
    version = aws.publish("a")
    aws.desk.split(ENVIRONMENT, f"{version}=10%", "ann", "")
    body = aws.calls.call("s3", "get_object", Bucket=aws.names.releases_bucket, Key=f"{ENVIRONMENT}/offering.json")
    assert version == json.loads(body["Body"].read())["candidate"]["version"]
