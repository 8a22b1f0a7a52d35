"""Changing the model while it serves."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from conftest import FEATURES, Publish, point
from ml_model_service.contract.wanted import parse
from ml_model_service.metadata import digest_of
from ml_model_service.versions.parameter import FileParameter
from ml_model_service.versions.pickles import Bucket
from ml_model_service.versions.reload import Pending, Served, follow, serve_baked

DEADLINE = 10.0


def following(tmp_path: Path, story: Callable[[Served], Coroutine[Any, Any, None]]) -> None:
    """Run `story` beside a follower of tmp_path/parameter that retries at once."""
    ticks = iter(range(0, 10**9, 1000))

    async def run() -> None:
        served = Served()
        parameter = FileParameter(tmp_path / "parameter")
        parameter.interval = 0.005
        follower = asyncio.create_task(follow(served, parameter, Bucket(tmp_path), lambda: float(next(ticks))))
        await story(served)
        follower.cancel()

    asyncio.run(run())


async def until(condition: Callable[[], bool]) -> None:
    """Wait for the condition, within bounds."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        await asyncio.sleep(0.005)


def serves(served: Served, version: str) -> Callable[[], bool]:
    """Whether exactly this version is in service and nothing else is wanted."""
    return lambda: served.model is not None and served.model.version == version and served.pending is None


def test_the_model_follows_the_parameter(tmp_path: Path, publish: Publish) -> None:
    """Each change of the parameter is served soon after, back and forth."""
    for which, version in enumerate(["v1.0", "v1.1"]):
        publish(tmp_path, version, which)

    async def story(served: Served) -> None:
        for version in ("v1.0", "v1.1", "v1.0"):
            point(tmp_path / "parameter", version)
            await until(serves(served, version))

    following(tmp_path, story)


def test_a_bad_version_leaves_the_old_one_serving(
    tmp_path: Path, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    """What does not verify never serves; it is logged once, shown as pending, and forgotten when unwanted."""
    publish(tmp_path, "v1.0")
    publish(tmp_path, "v1.1", 1, golden=[])
    error = "v1.1: metadata.json has no golden predictions to check the model by"

    async def story(served: Served) -> None:
        point(tmp_path / "parameter", "v1.0")
        await until(serves(served, "v1.0"))
        first = served.model
        point(tmp_path / "parameter", "v1.1")
        await until(lambda: served.pending == Pending("v1.1", error))
        assert first is served.model
        await asyncio.sleep(0.1)
        point(tmp_path / "parameter", "v1.0")
        await until(serves(served, "v1.0"))
        assert first is served.model

    following(tmp_path, story)
    assert 1 == sum(record.levelno == logging.ERROR for record in caplog.records)


def test_a_version_whose_files_arrive_late_is_served(tmp_path: Path, publish: Publish) -> None:
    """A wanted version that is not there yet, or a parameter not written yet, is tried again."""

    async def story(served: Served) -> None:
        await until(lambda: served.pending is not None and "No such file" in (served.pending.error or ""))
        point(tmp_path / "parameter", "v1.0")
        await until(lambda: served.pending is not None and "metadata.json" in (served.pending.error or ""))
        publish(tmp_path, "v1.0")
        await until(serves(served, "v1.0"))

    following(tmp_path, story)


def test_the_baked_model_is_served(tmp_path: Path, publish: Publish) -> None:
    """Without a bucket the model that lies in the image serves; without one there the reason is kept."""
    served = Served()
    asyncio.run(serve_baked(served, Bucket(tmp_path)))
    assert served.pending is not None and "metadata.json" in (served.pending.error or "")
    asyncio.run(serve_baked(served, Bucket(publish(tmp_path, "v1.0"))))
    assert served.model is not None and served.model.version == "v1.0"


@pytest.mark.slow
def test_a_swap_to_narrower_features_is_refused_but_the_way_back_is_open(tmp_path: Path, publish: Publish) -> None:
    """A version that would refuse requests made for the current one only comes with a release of its callers."""
    publish(tmp_path, "v1.0")
    wider = [*FEATURES[:3], FEATURES[3] | {"maximum": 2000}]
    schema = {"features": wider, "output": {"name": "probability", "description": ""}}
    publish(tmp_path, "v1.1", 1, feature_schema=schema, feature_schema_digest=digest_of(schema))
    narrow = [*FEATURES[:3], FEATURES[3] | {"maximum": 1300}]
    schema = {"features": narrow, "output": {"name": "probability", "description": ""}}
    publish(tmp_path, "v1.2", 1, feature_schema=schema, feature_schema_digest=digest_of(schema))

    async def story(served: Served) -> None:
        for version in ("v1.0", "v1.1", "v1.0"):
            point(tmp_path / "parameter", version)
            await until(serves(served, version))
        point(tmp_path / "parameter", "v1.2")
        await until(lambda: served.pending is not None and "requests made for v1.0" in (served.pending.error or ""))
        assert served.model is not None and "v1.0" == served.model.version

    following(tmp_path, story)


@pytest.mark.slow
@pytest.mark.parametrize(
    "assignment",
    [
        '{"version": "v1.0", "split": {"v1.1": 10}}',
        '{"version": "v1.0", "split": {"v1.2": 10}, "shadow": {"version": "v1.1"}}',
    ],
)
def test_a_restart_beside_a_broken_candidate_serves_stable_alone(
    tmp_path: Path, publish: Publish, assignment: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The reason is shown for as long as it lasts, and all that is wanted is served once the files are whole."""
    for which, version in enumerate(["v1.0", "v1.1", "v1.2"]):
        publish(tmp_path, version, which % 2)
    whole = (tmp_path / "v1.1" / "model.txt").read_bytes()
    (tmp_path / "v1.1" / "model.txt").write_bytes(whole[: len(whole) // 2])
    error = "v1.1: model.txt does not have the size and digest that metadata.json records"
    point(tmp_path / "parameter", assignment)

    async def story(served: Served) -> None:
        await until(lambda: served.pending == Pending("v1.1", error))
        assert served.serving is not None and parse("v1.0") == served.serving.wanted
        first, seen = served.serving, set()
        for _ in range(40):
            seen.add(served.pending)
            await asyncio.sleep(0.005)
        assert {Pending("v1.1", error)} == seen
        assert first is served.serving
        (tmp_path / "v1.1" / "model.txt").write_bytes(whole)
        await until(lambda: served.pending is None)
        assert parse(assignment) == served.serving.wanted
        assert first.stable is served.serving.stable

    following(tmp_path, story)
    assert 1 == sum(record.levelno == logging.ERROR for record in caplog.records)


@pytest.mark.slow
def test_a_broken_candidate_leaves_a_working_assignment_alone(tmp_path: Path, publish: Publish) -> None:
    """A task that serves something keeps all of it, whatever else is wanted now."""
    for which, version in enumerate(["v1.0", "v1.1", "v1.2"]):
        publish(tmp_path, version, which % 2)
    (tmp_path / "v1.2" / "model.txt").unlink()
    point(tmp_path / "parameter", '{"version": "v1.0", "split": {"v1.1": 10}}')

    async def story(served: Served) -> None:
        await until(lambda: served.serving is not None)
        first = served.serving
        point(tmp_path / "parameter", '{"version": "v1.1", "split": {"v1.2": 10}}')
        await until(lambda: served.pending is not None and served.pending.error is not None)
        assert first is served.serving
        assert "v1.2" == (served.pending and served.pending.version)

    following(tmp_path, story)


def with_schema(features: list[dict[str, Any]], **output: Any) -> dict[str, Any]:
    """Changes to a version's metadata."""
    schema = {"features": features, "output": {"name": "probability", **output}}
    return {"feature_schema": schema, "feature_schema_digest": digest_of(schema)}


@pytest.mark.slow
def test_versions_share_requests_by_what_their_schemas_mean(tmp_path: Path, publish: Publish) -> None:
    """A candidate described in other words answers; one of other features, values or another output says which."""
    publish(tmp_path, "v1.0")
    worded = [feature | {"description": "in other words"} for feature in FEATURES]
    publish(tmp_path, "v1.1", 1, **with_schema(worded, description="of another author"))
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
        publish(tmp_path, version, 0, **changes, tolerance=1.0)
    point(tmp_path / "parameter", '{"version": "v1.0", "split": {"v1.1": 10}}')

    async def story(served: Served) -> None:
        await until(lambda: served.serving is not None and len(served.serving.models) == 2)
        for version, (_, why) in others.items():
            point(tmp_path / "parameter", f'{{"version": "v1.0", "split": {{"{version}": 10}}}}')
            await until(lambda w=why: served.pending is not None and w in (served.pending.error or ""))  # type: ignore[misc]
            assert served.pending is not None and version == served.pending.version

    following(tmp_path, story)


def test_a_broken_stable_version_serves_nothing(tmp_path: Path, publish: Publish) -> None:
    """A candidate alone would answer people whom it was not meant for."""
    for which, version in enumerate(["v1.0", "v1.1"]):
        publish(tmp_path, version, which)
    (tmp_path / "v1.0" / "model.txt").unlink()
    point(tmp_path / "parameter", '{"version": "v1.0", "split": {"v1.1": 10}}')

    async def story(served: Served) -> None:
        await until(lambda: served.pending is not None and served.pending.error is not None)
        assert "v1.0" == (served.pending and served.pending.version)
        assert served.serving is None

    following(tmp_path, story)


@pytest.mark.slow
def test_the_version_before_stays_warm(tmp_path: Path, publish: Publish) -> None:
    """The way back takes the model that is still in memory, even when its files are gone; older ones are let go."""
    for which, version in enumerate(["v1.0", "v1.1", "v1.2"]):
        publish(tmp_path, version, which % 2)

    async def story(served: Served) -> None:
        for version in ("v1.0", "v1.1"):
            point(tmp_path / "parameter", version)
            await until(serves(served, version))
        (tmp_path / "v1.0" / "model.txt").unlink()
        for version in ("v1.0", "v1.1", "v1.2"):
            point(tmp_path / "parameter", version)
            await until(serves(served, version))
        assert {"v1.1", "v1.2"} == set(served.loaded)

    following(tmp_path, story)


def test_what_is_no_assignment_is_refused(tmp_path: Path, publish: Publish) -> None:
    """A parameter that leads out of the bucket is an error that says what is allowed."""

    async def story(served: Served) -> None:
        point(tmp_path / "parameter", "../v1.0")
        await until(lambda: served.pending is not None and "allowed is a version" in (served.pending.error or ""))

    following(tmp_path, story)
