"""Changing the model while it serves."""

from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path
from typing import Any

import pytest

from conftest import FEATURES, Publish
from following import following, reason, serves, until
from ml_model_service.contract.wanted import parse
from ml_model_service.metadata import digest_of
from ml_model_service.settings import Settings
from ml_model_service.versions.parameter import FileParameter
from ml_model_service.versions.pickles import Bucket
from ml_model_service.versions.reload import Pending, Served, serve_baked
from places import Folder, Place


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are looked at all the time."""
    monkeypatch.setattr(FileParameter, "interval", 0.005)


def test_the_model_follows_the_parameter(place: Place) -> None:
    """Each change of the parameter is served soon after, back and forth."""
    for which, version in enumerate(["v1.0", "v1.1"]):
        place.publish(version, which)

    async def story(served: Served) -> None:
        for version in ("v1.0", "v1.1", "v1.0"):
            place.point(version)
            await until(serves(served, version))

    following(place, story)


def test_a_bad_version_leaves_the_old_one_serving(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """What does not verify never serves; it is logged once, shown as pending, and forgotten when unwanted."""
    place.publish("v1.0")
    place.publish("v1.1", 1, golden=[])
    error = "v1.1: metadata.json has no golden predictions to check the model by"

    async def story(served: Served) -> None:
        place.point("v1.0")
        await until(serves(served, "v1.0"))
        first = served.model
        place.point("v1.1")
        await until(lambda: served.pending == Pending("v1.1", error))
        assert first is served.model
        await asyncio.sleep(0.1)
        place.point("v1.0")
        await until(serves(served, "v1.0"))
        assert first is served.model

    following(place, story)
    assert 1 == sum(record.levelno == logging.ERROR for record in caplog.records)


def test_a_version_whose_files_arrive_late_is_served(place: Place) -> None:
    """A wanted version that is not there yet, or a parameter not written yet, is tried again."""

    async def story(served: Served) -> None:
        await until(lambda: re.search("No such file|there is no ssm:", reason(served)) is not None)
        place.point("v1.0")
        await until(lambda: re.search("metadata.json|has no such version", reason(served)) is not None)
        place.publish("v1.0")
        await until(serves(served, "v1.0"))

    following(place, story)


def test_a_task_waits_for_the_first_promotion(place: Place) -> None:
    """It says so; taking the word back later leaves what serves."""
    place.publish("v1.0")
    place.point("none")

    async def story(served: Served) -> None:
        await until(lambda: reason(served).startswith("no version was promoted yet"))
        assert served.serving is None
        place.point("v1.0")
        await until(serves(served, "v1.0"))
        place.point("none")
        await until(lambda: reason(served).startswith("no version was promoted yet"))
        assert served.model is not None and "v1.0" == served.model.version

    following(place, story)


def test_without_a_parameter_latest_is_followed(place: Place) -> None:
    """It lies in the bucket, one line long."""
    for which, version in enumerate(["v1.0", "v1.1"]):
        place.publish(version, which)
    place.urls["MODEL_VERSION_PARAMETER"] = Settings.read({"MODEL_BUCKET": place.urls["MODEL_BUCKET"]}).parameter or ""
    place.latest("v1.0")

    async def story(served: Served) -> None:
        await until(serves(served, "v1.0"))
        place.latest("v1.1")
        await until(serves(served, "v1.1"))

    following(place, story)


def test_the_baked_model_is_served(tmp_path: Path, publish: Publish) -> None:
    """Without a bucket the model that lies in the image serves; without one there the reason is kept."""
    served = Served()
    asyncio.run(serve_baked(served, Bucket(tmp_path)))
    assert served.pending is not None and "metadata.json" in (served.pending.error or "")
    asyncio.run(serve_baked(served, Bucket(publish(tmp_path, "v1.0"))))
    assert served.model is not None and served.model.version == "v1.0"


@pytest.mark.slow
def test_a_swap_to_narrower_features_is_refused_but_the_way_back_is_open(in_folder: Folder) -> None:
    """A version that would refuse requests made for the current one only comes with a release of its callers."""
    in_folder.publish("v1.0")
    wider = [*FEATURES[:3], FEATURES[3] | {"maximum": 2000}]
    schema = {"features": wider, "output": {"name": "probability", "description": ""}}
    in_folder.publish("v1.1", 1, feature_schema=schema, feature_schema_digest=digest_of(schema))
    narrow = [*FEATURES[:3], FEATURES[3] | {"maximum": 1300}]
    schema = {"features": narrow, "output": {"name": "probability", "description": ""}}
    in_folder.publish("v1.2", 1, feature_schema=schema, feature_schema_digest=digest_of(schema))

    async def story(served: Served) -> None:
        for version in ("v1.0", "v1.1", "v1.0"):
            in_folder.point(version)
            await until(serves(served, version))
        in_folder.point("v1.2")
        await until(lambda: "requests made for v1.0" in reason(served))
        assert served.model is not None and "v1.0" == served.model.version

    following(in_folder, story)


@pytest.mark.slow
@pytest.mark.parametrize(
    "assignment",
    [
        '{"version": "v1.0", "split": {"v1.1": 10}}',
        '{"version": "v1.0", "split": {"v1.2": 10}, "shadow": {"version": "v1.1"}}',
    ],
)
def test_a_restart_beside_a_broken_candidate_serves_stable_alone(
    place: Place, assignment: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The reason is shown for as long as it lasts, and all that is wanted is served once the files are whole."""
    for which, version in enumerate(["v1.0", "v1.1", "v1.2"]):
        place.publish(version, which % 2)
    whole = place.read("v1.1", "model.txt")
    place.write("v1.1", "model.txt", whole[: len(whole) // 2])
    error = "v1.1: model.txt does not have the size and digest that metadata.json records"
    place.point(assignment)

    async def story(served: Served) -> None:
        await until(lambda: served.pending == Pending("v1.1", error))
        assert served.serving is not None and parse("v1.0") == served.serving.wanted
        first, seen = served.serving, set()
        for _ in range(40):
            seen.add(served.pending)
            await asyncio.sleep(0.005)
        assert {Pending("v1.1", error)} == seen
        assert first is served.serving
        place.write("v1.1", "model.txt", whole)
        await until(lambda: served.pending is None)
        assert parse(assignment) == served.serving.wanted
        assert first.stable is served.serving.stable

    following(place, story)
    assert 1 == sum(record.levelno == logging.ERROR for record in caplog.records)


@pytest.mark.slow
def test_a_broken_candidate_leaves_a_working_assignment_alone(in_folder: Folder) -> None:
    """A task that serves something keeps all of it, whatever else is wanted now."""
    for which, version in enumerate(["v1.0", "v1.1", "v1.2"]):
        in_folder.publish(version, which % 2)
    in_folder.remove("v1.2", "model.txt")
    in_folder.point('{"version": "v1.0", "split": {"v1.1": 10}}')

    async def story(served: Served) -> None:
        await until(lambda: served.serving is not None)
        first = served.serving
        in_folder.point('{"version": "v1.1", "split": {"v1.2": 10}}')
        await until(lambda: served.pending is not None and served.pending.error is not None)
        assert first is served.serving
        assert "v1.2" == (served.pending and served.pending.version)

    following(in_folder, story)


def with_schema(features: list[dict[str, Any]], **output: Any) -> dict[str, Any]:
    """Changes to a version's metadata."""
    schema = {"features": features, "output": {"name": "probability", **output}}
    return {"feature_schema": schema, "feature_schema_digest": digest_of(schema)}


@pytest.mark.slow
def test_versions_share_requests_by_what_their_schemas_mean(in_folder: Folder) -> None:
    """A candidate described in other words answers; one of other features, values or another output says which.

    A shadow may have other values.
    """
    in_folder.publish("v1.0")
    worded = [feature | {"description": "in other words"} for feature in FEATURES]
    in_folder.publish("v1.1", 1, **with_schema(worded, description="of another author"))
    turned = [FEATURES[0] | {"values": ["B6", "AA", "UA", "WN"]}, *FEATURES[1:]]
    others = {
        "v2.0": (
            with_schema([*FEATURES[:3], FEATURES[3] | {"maximum": 2000}]),
            "minute ends at 2000, not at 1439",
        ),
        "v2.1": (with_schema(turned), "airline has other values"),
        "v2.2": (with_schema(FEATURES, name="minutes"), "its output is minutes, not probability"),
        "v2.3": (with_schema(FEATURES, threshold=0.3), "its output's threshold is 0.3, not none"),
    }
    for version, (changes, _) in others.items():
        in_folder.publish(version, 0, **changes, tolerance=1.0)
    in_folder.point('{"version": "v1.0", "split": {"v1.1": 10}}')

    async def story(served: Served) -> None:
        await until(lambda: served.serving is not None and len(served.serving.models) == 2)
        for version, (_, why) in others.items():
            in_folder.point(f'{{"version": "v1.0", "split": {{"{version}": 10}}}}')
            await until(lambda w=why: w in reason(served))  # type: ignore[misc]
            assert served.pending is not None and version == served.pending.version
        in_folder.point('{"version": "v1.0", "shadow": {"version": "v2.1", "percent": 100}}')
        await until(lambda: served.serving is not None and served.serving.mirror is not None)
        assert served.serving is not None and served.serving.reader is not None

    following(in_folder, story)


def test_a_broken_stable_version_serves_nothing(place: Place) -> None:
    """A candidate alone would answer people whom it was not meant for."""
    for which, version in enumerate(["v1.0", "v1.1"]):
        place.publish(version, which)
    place.remove("v1.0", "model.txt")
    place.point('{"version": "v1.0", "split": {"v1.1": 10}}')

    async def story(served: Served) -> None:
        await until(lambda: served.pending is not None and served.pending.error is not None)
        assert "v1.0" == (served.pending and served.pending.version)
        assert served.serving is None

    following(place, story)


@pytest.mark.slow
def test_the_version_before_stays_warm(place: Place) -> None:
    """The way back takes the model that is still in memory, even when its files are gone; older ones are let go."""
    for which, version in enumerate(["v1.0", "v1.1", "v1.2"]):
        place.publish(version, which % 2)

    async def story(served: Served) -> None:
        for version in ("v1.0", "v1.1"):
            place.point(version)
            await until(serves(served, version))
        place.remove("v1.0", "model.txt")
        for version in ("v1.0", "v1.1", "v1.2"):
            place.point(version)
            await until(serves(served, version))
        assert {"v1.1", "v1.2"} == set(served.loaded)

    following(place, story)


def test_what_is_no_assignment_is_refused(place: Place) -> None:
    """A parameter that leads out of the bucket is an error that says what is allowed."""

    async def story(served: Served) -> None:
        place.point("../v1.0")
        await until(lambda: "allowed is a version" in reason(served))

    following(place, story)
