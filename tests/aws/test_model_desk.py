"""Model versions on AWS: promoted by a parameter, and read back from what the app's answers name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from shipway.aws.model_moves import FOLLOW
from shipway.aws.names import Names
from shipway.core.contract.schema import canonical_digest
from shipway.core.errors import Refused, RolledBack, UsageError
from shipway.core.views.models import Publishing
from tests.aws.descriptions import repositorys
from tests.aws.model_bench import Bench, bench
from tests.model_folders import write_model


@pytest.fixture(autouse=True)
def _moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An account in which two tasks of each service run."""
    monkeypatch.setenv("MOTO_ECS_SERVICE_RUNNING", "2")
    with mock_aws():
        yield


@pytest.fixture
def aws(names: Names, tmp_path: Path) -> Bench:
    """The example in dev and prod."""
    return bench(names, repositorys(), tmp_path)


def promote(aws: Bench, version: str, *environments: str, why: str = "better") -> tuple[str, ...]:
    """What is told of it."""
    return aws.models.promote(version, environments, "ann", why, canary=False).told


def test_a_promotion_is_read_back_from_the_app_s_answers(aws: Bench) -> None:
    """Three for each task: a sample, and told as one. It approves the version, and new releases take it."""
    found = promote(aws, "v1.0")
    assert ("dev: 6 of 6 answers named v1.0", "prod: 6 of 6 answers named v1.0", "new releases take v1.0") == found
    assert ("v1.0", "v1.0", "v1.0") == (aws.parameter("dev"), aws.parameter("prod"), aws.registry.latest().version)
    described = aws.registry.get("v1.0")
    assert ("approved", "ann", "promoted: better") == (
        described.approval_status, described.approval_by, described.approval_why,
    )  # fmt: skip
    assert {("dev.ontime.example.com", "/api/predict"), ("prod.ontime.example.com", "/api/predict")} == set(
        aws.tasks.asked
    )
    (entry,) = aws.store.audit("prod", 10)
    assert ("ann", "promote model", "better") == (entry.who, entry.action, entry.why)
    assert {"told": "v1.0", "before": "none"} == entry.detail


def test_tasks_have_some_seconds_to_look(aws: Bench) -> None:
    """Until then answers name the version before, which is no fault."""
    promote(aws, "v1.0")
    aws.tasks.lag = 20.0
    assert "dev: 6 of 6 answers named v1.1" == promote(aws, "v1.1", "dev")[0]
    assert aws.clock.now >= 1020.0


def test_what_tasks_refuse_is_taken_back(aws: Bench) -> None:
    """The parameter says again what it said, and what came before is told."""
    promote(aws, "v1.0")
    aws.tasks.refused = {"v1.1"}
    with pytest.raises(RolledBack, match=r"dev: 0 of 6 answers named v1\.1, 6 v1\.0 within 120 s") as caught:
        promote(aws, "v1.1")
    assert ("v1.0", "v1.0") == (aws.parameter("dev"), aws.parameter("prod"))
    assert ("its tasks are told v1.0 again", 4) == (caught.value.state, caught.value.exit_code)
    assert "shipway logs --env dev --service ml-model-service" == caught.value.fix
    assert "v1.0" == aws.registry.latest().version
    assert aws.clock.now < 1000.0 + 2 * FOLLOW


def test_what_somebody_else_told_since_is_not_taken_back(aws: Bench) -> None:
    """The newest word counts."""
    promote(aws, "v1.0", "dev")
    aws.tasks.refused = {"v1.1"}
    sleep = aws.clock.sleep

    def meanwhile(seconds: float) -> None:
        aws.tell("dev", "v1.2")
        sleep(seconds)

    aws.calls.sleep = meanwhile
    aws.tasks._turn = lambda name: "v1.0"  # type: ignore[method-assign]
    with pytest.raises(RolledBack) as caught:
        promote(aws, "v1.1", "dev")
    assert ("v1.2", "its tasks are told v1.2") == (aws.parameter("dev"), caught.value.state)


def test_the_second_environment_s_failure_tells_of_the_first(aws: Bench) -> None:
    """Where a version is brought to several, those before have it."""
    promote(aws, "v1.0")
    before = aws.tasks._turn
    aws.tasks._turn = lambda name: "v1.0" if name == "prod" else before(name)  # type: ignore[method-assign]
    with pytest.raises(RolledBack) as caught:
        promote(aws, "v1.1")
    assert ("v1.1", "v1.0") == (aws.parameter("dev"), aws.parameter("prod"))
    assert "told v1.0 again; before that: dev: 6 of 6 answers named v1.1" in caught.value.state


@pytest.mark.parametrize(
    ("failure", "nameless", "why"),
    [
        (OSError("Name or service not known"), False, "dev.ontime.example.com does not answer: Name or service"),
        (None, True, "no answer names a version"),
    ],
)
def test_what_cannot_be_read_back_is_said(aws: Bench, failure: OSError | None, nameless: bool, why: str) -> None:
    """And not taken back: nothing says that it is wrong."""
    aws.tasks.failure, aws.tasks.nameless = failure, nameless
    assert f"dev is told v1.0; not read back: {why}" in promote(aws, "v1.0", "dev")[0]
    assert "v1.0" == aws.parameter("dev")


def test_before_the_first_task_there_is_nobody_to_ask(
    names: Names, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first release needs a version to serve: promoting comes before it."""
    monkeypatch.setenv("MOTO_ECS_SERVICE_RUNNING", "0")
    aws = bench(names, repositorys(), tmp_path)
    assert "dev is told v1.0; not read back: nothing could be asked" == promote(aws, "v1.0", "dev")[0]


def test_tasks_that_fail_at_first_are_waited_for(aws: Bench) -> None:
    """Without any version they answer 503; those that never come are said, and may be the service's own fault."""
    aws.tasks.failing_until = aws.clock.now + 20.0
    assert "dev: 6 of 6 answers named v1.0" == promote(aws, "v1.0", "dev")[0]
    aws.tasks.failing_until = aws.clock.now + 1000.0
    assert "dev is told v1.1; not read back: 6 of 6 answers failed" == promote(aws, "v1.1", "dev")[0]


def test_who_changes_dev_alone_does_not_decide_for_prod(aws: Bench) -> None:
    """The version is approved, new releases keep theirs."""
    assert ("dev: 6 of 6 answers named v1.1",) == promote(aws, "v1.1", "dev")
    assert (None, "approved") == (aws.registry.latest_name(), aws.registry.get("v1.1").approval_status)
    assert "v1.1" == aws.models.promote_for_releases("v1.1", "ann", "").latest
    assert ("v1.1", "none") == (aws.registry.latest_name(), aws.parameter("prod"))


def test_each_environment_goes_back_to_its_own_version_before(aws: Bench) -> None:
    """As Parameter Store remembers it; the way back is no new step forward."""
    promote(aws, "v1.0")
    promote(aws, "v1.1", "dev")
    promote(aws, "v1.2")
    assert (
        "dev: 6 of 6 answers named v1.1", "prod: 6 of 6 answers named v1.0",
    ) == aws.models.roll_back((), "ann", "worse").told  # fmt: skip
    aws.models.roll_back(("dev",), "ann", "worse")
    assert ("v1.0", "v1.0") == (aws.parameter("dev"), aws.parameter("prod"))
    with pytest.raises(Refused, match=r"no model version was current in dev before v1\.0"):
        aws.models.roll_back(("dev",), "ann", "worse")
    with pytest.raises(Refused, match="no model version was current before this one"):
        aws.models.roll_back((), "ann", "worse")


def test_a_rejected_version_is_not_gone_back_to(aws: Bench) -> None:
    """Nor promoted."""
    promote(aws, "v1.0", "dev")
    promote(aws, "v1.1", "dev")
    aws.models.decide("v1.0", "rejected", "ann", "biased")
    for call in (lambda: aws.models.roll_back(("dev",), "ann", ""), lambda: promote(aws, "v1.0", "dev")):
        with pytest.raises(Refused, match=r"v1\.0 was rejected by ann \(biased\)"):
            call()
    assert "v1.1" == aws.parameter("dev")


def test_versions_are_listed_with_where_they_serve(aws: Bench) -> None:
    """As the parameters say; the history is theirs, too."""
    promote(aws, "v1.0")
    promote(aws, "v1.1", "prod")
    view = aws.models.list()
    assert {"v1.0": ("dev",), "v1.1": ("prod",), "v1.2": ()} == {one.model.version: one.serves for one in view.models}
    shown = aws.models.show("v1.0")
    assert (("dev",), False, "delays") == (shown.serves, shown.latest, shown.metadata["name"])
    assert [("dev", None), ("prod", True)] == [
        (one.environment, one.until if one.until is None else one.until >= one.since) for one in shown.served
    ]


def test_what_served_when_is_told_by_the_parameters_history(aws: Bench) -> None:
    """The newest first, and at a moment what was current then, with who decided on it."""
    promote(aws, "v1.0")
    promote(aws, "v1.1", "prod", why="better")
    newest, before = aws.models.history("prod", None)
    assert ("v1.1", None, "v1.0", newest.since) == (newest.version, newest.until, before.version, before.until)
    assert newest.decided is not None
    assert ("approved", "ann", "promoted: better") == (newest.decided.status, newest.decided.by, newest.decided.why)
    assert ["v1.0"] == [stay.version for stay in aws.models.history("prod", before.since)]
    assert 3 == len(aws.models.history(None, None))


def test_archiving_what_serves_is_refused(aws: Bench) -> None:
    """As everywhere."""
    promote(aws, "v1.0", "dev")
    with pytest.raises(Refused, match=r"model v1\.0 serves in dev"):
        aws.models.decide("v1.0", "archived", "ann", "old")


def test_an_approval_promotes_where_shipway_yaml_says_so(names: Names, tmp_path: Path) -> None:
    """A refusal leaves the approval."""
    app = repositorys()
    assert app.model is not None
    app = app.model_copy(update={"model": app.model.model_copy(update={"on_approval": ("dev",)})})
    aws = bench(names, app, tmp_path)
    assert ("dev: 6 of 6 answers named v1.0",) == aws.models.decide("v1.0", "approved", "ann", "fine").told
    aws.tell("dev", '{"version": "v1.0", "split": {"v1.2": 10}}')
    decided = aws.models.decide("v1.1", "approved", "ann", "fine")
    assert decided.not_promoted is not None
    assert "would end the split" in decided.not_promoted.what
    assert "approved" == decided.model.approval_status


def test_what_takes_other_requests_needs_its_services_first(aws: Bench) -> None:
    """Clients' requests would fail."""
    promote(aws, "v1.0", "dev")
    narrow = {
        "features": [{"name": "temp", "type": "number", "nullable": False}],
        "output": {"name": "probability"},
    }
    folder = write_model(aws.folder / "narrow", b"narrow\n", feature_schema=narrow, **_digest_of(narrow))
    assert "v1.3" == aws.models.publish(str(folder), None, "ann", Publishing(), lambda line: None).version
    with pytest.raises(Refused, match=r"v1\.3 does not take every request that dev's v1\.0 takes"):
        promote(aws, "v1.3", "dev")
    with pytest.raises(Refused, match=r"v1\.3 can't share requests with v1\.0"):
        aws.experiments.split("dev", ["v1.3=10%"], "ann", "")
    assert "v1.0" == aws.parameter("dev")


def test_what_aws_cannot_do_is_refused_before_anything_changes(aws: Bench) -> None:
    """With what does it."""
    with pytest.raises(Refused, match="it has no canary") as caught:
        aws.models.promote("v1.0", ["dev"], "ann", "", canary=True)
    assert caught.value.fix.startswith("shipway model split v1.0=10%")
    with pytest.raises(Refused, match="stage has no parameter /ontime/stage/model-version") as caught:
        promote(aws, "v1.0", "stage")
    assert "infra apply stage" in caught.value.fix
    with pytest.raises(UsageError, match="no environment 'test'"):
        promote(aws, "v1.0", "test")
    with pytest.raises(UsageError, match=r"no model version 'v9\.9'"):
        promote(aws, "v9.9", "dev")
    aws.tell("dev", "the newest")
    with pytest.raises(Refused, match="model-version holds 'the newest'") as caught:
        promote(aws, "v1.0", "dev")
    assert "aws ssm put-parameter --overwrite" in caught.value.fix
    assert "pending" == aws.registry.get("v1.0").approval_status


def test_versions_are_compared_and_baked_from_s3(aws: Bench) -> None:
    """On this machine, with what the bucket holds."""
    assert aws.models.compare("v1.0", "v1.1", lambda line: None)["size"] == {"a": 7, "b": 7}
    baked = aws.models.bake("v1.1", None, None, "ann")
    assert b"tree 1\n" == (aws.folder / baked.folder / "model.txt").read_bytes()


# -- splits and shadows ------------------------------------------------------------------------------------------------


def test_a_split_is_seen_in_the_answers(aws: Bench) -> None:
    """The parameter holds it; candidates have to show up among the answers."""
    promote(aws, "v1.0", "dev")
    report = aws.experiments.split("dev", ["v1.1=25%"], "ann", "try")
    assert '{"version": "v1.0", "split": {"v1.1": 25.0}}' == aws.parameter("dev")
    line, warning = report.told
    assert "answers named v1.0, " in line
    assert line.endswith(" v1.1")
    assert "takes a bad one out by itself" in warning
    assert {"v1.0": 75.0, "v1.1": 25.0} == report.experiment.shares
    assert (("dev",), ("dev",)) == tuple(one.serves for one in aws.models.list().models[:2])
    shown = aws.experiments.show("dev")
    assert (("v1.1", 25.0),) == shown.experiment.split


def test_a_split_that_nobody_follows_is_taken_back(aws: Bench) -> None:
    """So many answers without the candidate are no chance."""
    promote(aws, "v1.0", "dev")
    aws.tasks.refused = {"v1.1"}
    with pytest.raises(RolledBack, match=r"dev: \d+ of \d+ answers named v1\.0 within 120 s"):
        aws.experiments.split("dev", ["v1.1=25%"], "ann", "try")
    assert "v1.0" == aws.parameter("dev")


def test_a_share_too_small_to_be_seen_is_said(aws: Bench) -> None:
    """It stays, as nothing says that it is wrong."""
    promote(aws, "v1.0", "dev")
    aws.tasks.refused = {"v1.1"}
    report = aws.experiments.split("dev", ["v1.1=0.5%"], "ann", "try")
    assert "too few to tell of v1.1" in report.told[0]
    assert '{"version": "v1.0", "split": {"v1.1": 0.5}}' == aws.parameter("dev")


def test_one_of_the_split_s_own_may_take_all(aws: Bench) -> None:
    """Another one would end it silently."""
    promote(aws, "v1.0", "dev")
    aws.experiments.split("dev", ["v1.1=50%"], "ann", "try")
    with pytest.raises(Refused, match="would end the split silently"):
        promote(aws, "v1.2", "dev")
    promote(aws, "v1.1", "dev")
    assert "v1.1" == aws.parameter("dev")


def test_a_shadow_stands_beside_a_split_and_each_ends_alone(aws: Bench) -> None:
    """All in one text."""
    promote(aws, "v1.0", "dev")
    aws.experiments.split("dev", ["v1.1=50%"], "ann", "try")
    aws.experiments.shadow("dev", "v1.2", 10.0, "ann", "listen")
    both = '{"version": "v1.0", "split": {"v1.1": 50.0}, "shadow": {"version": "v1.2", "percent": 10.0}}'
    assert both == aws.parameter("dev")
    with pytest.raises(Refused, match="a shadow answers none"):
        aws.experiments.shadow("dev", "v1.1", 10.0, "ann", "")
    aws.experiments.end_split("dev", "ann", "done")
    report = aws.experiments.end_shadow("dev", "ann", "done")
    assert ("v1.0", False) == (aws.parameter("dev"), report.experiment.live)
    assert () == aws.experiments.end_shadow("dev", "ann", "again").told


def test_nothing_is_tried_beside_nothing(aws: Bench) -> None:
    """A first version comes first."""
    with pytest.raises(Refused, match="dev was told no model version yet"):
        aws.experiments.split("dev", ["v1.1=50%"], "ann", "")


def _digest_of(schema: object) -> dict[str, str]:
    return {"feature_schema_digest": f"sha256:{canonical_digest(schema)}"}
