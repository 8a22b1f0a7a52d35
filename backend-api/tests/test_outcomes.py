"""What came true: taken once, from those who may say it, and written as labels."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backend import FLIGHT, Answer, Backend, Serving, wait_for
from backend_api.config.settings import Settings
from backend_api.labels import writer
from conftest import Start
from standin import Reply, StandIn

# Together they take as long as a third of the others: a rollout does not wait for them.
pytestmark = pytest.mark.slow

PHONE = {"x-device-id": "phone-7"}
TOKEN = "airline-token-airline-token"
AIRLINE = {"authorization": f"Bearer {TOKEN}"}


def asked(backend: Backend, **changes: object) -> str:
    """The id of a prediction that the phone asked for."""
    return str(backend.call("POST", "/api/predict", FLIGHT | changes, PHONE).json["id"])


def tell(backend: Backend, id: str, late: object, headers: dict[str, str] = PHONE) -> Answer:
    """Say what came true of it."""
    return backend.call("POST", f"/api/predictions/{id}/outcome", {"late": late}, headers)


def code(answer: Answer) -> tuple[int, str]:
    """Status, and the error's code."""
    return answer.status, answer.json["error"]["code"]


@pytest.mark.parametrize("late", [True, False])
def test_same_outcome_twice_is_one(backend: Backend, late: bool) -> None:
    """A client that got no answer says it again; another word is refused."""
    id = asked(backend)
    expected = {"prediction_id": id, "late": late, "source": "device"}
    assert [(200, expected)] * 2 == [(answer.status, answer.json) for answer in (tell(backend, id, late) for _ in "12")]
    assert (409, "outcome_already_told") == code(tell(backend, id, not late))


def test_many_at_once_are_one(backend: Backend) -> None:
    """Of words that contradict one another one is kept, and all its repetitions are good."""
    id = asked(backend)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda turn: tell(backend, id, turn % 2 == 0), range(16)))
    kept = {answer.json["late"] for answer in answers if answer.status == 200}
    assert (1, [200] * 8 + [409] * 8) == (len(kept), sorted(answer.status for answer in answers))


def test_only_the_device_that_asked(backend: Backend) -> None:
    """Nobody else can say what became of a flight, and nobody at all of one that no device asked about."""
    id = asked(backend)
    for headers in ({"x-device-id": "phone-8"}, {}, {"x-device-id": "caf\xe9"}):
        assert (403, "another_device") == code(tell(backend, id, True, headers))
    assert (403, "another_device") == code(tell(backend, str(backend.predict().json["id"]), True))
    assert 200 == tell(backend, id, True).status


def test_unknown_prediction(backend: Backend) -> None:
    """An id that was never given."""
    assert (404, "not_found") == code(tell(backend, "nothing", True))


def test_flight_that_has_not_left(backend: Backend) -> None:
    """Nobody knows yet; two minutes after its departure by New York's clocks in summer somebody may."""
    local = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=4)
    soon, gone = (f"{local + timedelta(minutes=minutes):%Y-%m-%dT%H:%M}" for minutes in (10, -2))
    assert (409, "not_departed") == code(tell(backend, asked(backend, departure=soon), True))
    assert 200 == tell(backend, asked(backend, departure=gone), True).status


@pytest.mark.parametrize("body", [b"", b"{}", b'{"late": 1}', b'{"late": "yes"}', b'{"late": true, "by": 3}', b"[]"])
def test_wrong_body(backend: Backend, body: bytes) -> None:
    """True or false, and nothing else."""
    answer = backend.call("POST", f"/api/predictions/{asked(backend)}/outcome", body, PHONE)
    assert (400 if not body else 422) == answer.status
    assert answer.json["error"]["message"]


def test_source_with_a_token_corrects(start: Start) -> None:
    """It speaks for every prediction and has the last word; what it said stands with its name."""
    backend = start(outcome_sources=f"desk=another-token-another-token,airline={TOKEN}")
    id = asked(backend)
    assert 200 == tell(backend, id, False).status
    assert {"prediction_id": id, "late": True, "source": "airline"} == tell(backend, id, True, AIRLINE).json
    assert (409, "outcome_already_told") == code(tell(backend, id, False))
    assert "airline" == tell(backend, id, True).json["source"]
    assert "airline" == tell(backend, str(backend.predict().json["id"]), True, AIRLINE).json["source"]


@pytest.mark.parametrize("authorization", [f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer", "Bearer caf\xe9"])
def test_token_that_is_nobodys(start: Start, authorization: str) -> None:
    """A wrong token is an error, not a device's word."""
    backend = start(outcome_sources=f"airline={TOKEN}")
    answer = tell(backend, asked(backend), True, PHONE | {"authorization": authorization})
    assert (401, "unknown_token") == code(answer)
    assert "Bearer" == answer.headers["www-authenticate"]


def test_no_source_by_default(backend: Backend) -> None:
    """Without the setting nobody corrects."""
    assert 401 == tell(backend, asked(backend), True, AIRLINE).status


@pytest.fixture
def own_url(migrated: Path, tmp_path: Path) -> str:
    """A database that no other test's backend writes labels from."""
    (tmp_path / "ontime.db").write_bytes(migrated.read_bytes())
    return f"sqlite:///{tmp_path}/ontime.db"


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where labels go, without the second in which they gather."""
    monkeypatch.setattr(writer, "GATHER", 0.01)
    return tmp_path / "monitoring-bucket"


def labels(bucket: Path) -> Iterator[dict[str, Any]]:
    """Those written so far, in the order of the files' names."""
    for path in sorted(bucket.glob("ground-truth/ontime-test/*/*/*/*/[!.]*.jsonl")):
        yield from map(json.loads, path.read_text().splitlines())


def label(id: str, late: bool, source: str = "device") -> dict[str, Any]:
    """SageMaker's ground-truth line, with the source and the day that it counts for."""
    return {
        "groundTruthData": {"data": "1" if late else "0", "encoding": "CSV"},
        "eventMetadata": {"eventId": id, "source": source, "occurredAt": f"{FLIGHT['departure']}:00"},
        "eventVersion": "0",
    }


def test_outcome_becomes_a_label(start: Start, own_url: str, bucket: Path, model: StandIn) -> None:
    """Under the id that the model service captured with the row, in the folder of its hour; a correction follows."""
    settings = {"database_url": own_url, "labels": bucket.as_uri(), "endpoint_name": "ontime-test"}
    backend = start(**settings, outcome_sources=f"airline={TOKEN}")
    id = asked(backend)
    assert id == model.asked[0].headers["x-amzn-sagemaker-inference-id"]
    before = datetime.now(UTC)
    tell(backend, id, False)
    tell(backend, id, False)
    wait_for(lambda: list(labels(bucket)))
    hours = {f"{moment:%Y/%m/%d/%H}" for moment in (before, datetime.now(UTC))}
    (path,) = bucket.rglob("*.jsonl")
    assert str(path.parent.relative_to(bucket / "ground-truth" / "ontime-test")) in hours
    tell(backend, id, True, AIRLINE)
    wait_for(lambda: len(list(labels(bucket))) == 2)
    assert [label(id, False), label(id, True, "airline")] == list(labels(bucket))


def test_labels_wait_for_a_bucket(start: Start, own_url: str, bucket: Path) -> None:
    """What was told before there was a bucket is written once there is one."""
    without = start(database_url=own_url)
    ids = [asked(without) for _ in range(3)]
    for id in ids:
        assert 200 == tell(without, id, True).status
    start(database_url=own_url, labels=bucket.as_uri(), endpoint_name="ontime-test")
    wait_for(lambda: len(list(labels(bucket))) == 3)
    assert [label(id, True) for id in ids] == list(labels(bucket))


def test_labels_outlast_a_full_disk(start: Start, own_url: str, bucket: Path) -> None:
    """A bucket that can't be written holds no client up; its labels come once it can, and the log says both."""
    bucket.write_text("in the way")
    backend = start(database_url=own_url, labels=bucket.as_uri(), endpoint_name="ontime-test")
    id = asked(backend)
    assert 200 == tell(backend, id, True).status
    wait_for(lambda: backend.logged("labels"))
    assert "labels wait in the database" in backend.logged("labels")[0]["message"]
    bucket.unlink()
    wait_for(lambda: list(labels(bucket)))
    assert [label(id, True)] == list(labels(bucket))
    wait_for(lambda: len(backend.logged("labels")) == 2)


def test_several_tasks_write_each_label_once(start: Start, own_url: str, bucket: Path) -> None:
    """Tasks share the database; an outcome is one task's to write."""
    settings = {"database_url": own_url, "labels": bucket.as_uri(), "endpoint_name": "ontime-test"}
    tasks = [start(**settings) for _ in range(3)]
    ids = [asked(tasks[0]) for _ in range(30)]
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda turn: tell(tasks[turn % 3], ids[turn], True), range(30)))
    wait_for(lambda: len(list(labels(bucket))) >= 30)
    with closing(sqlite3.connect(own_url.removeprefix("sqlite:///"))) as database:
        wait_for(lambda: database.execute("SELECT count(*) FROM outcomes WHERE written_at IS NULL").fetchone() == (0,))
    assert sorted(ids) == sorted(told["eventMetadata"]["eventId"] for told in labels(bucket))


def test_last_labels_are_written_at_the_end(
    model: StandIn, own_url: str, bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that is told to stop writes what it took last."""
    monkeypatch.setattr(writer, "GATHER", 60.0)
    settings = Settings(
        model_service_url=model.url, database_url=own_url, labels=bucket.as_uri(), endpoint_name="ontime-test"
    )
    serving = Serving(settings)
    id = asked(serving.backend)
    tell(serving.backend, id, True)
    assert [] == list(labels(bucket))
    serving.stop()
    serving.join()
    assert [label(id, True)] == list(labels(bucket))


@pytest.mark.slow
def test_labels_to_s3(
    start: Start, own_url: str, bucket: Path, endpoint: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same file, put by AWS's own protocol, below the prefix."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint.url)
    endpoint.default = Reply(body=b"")
    backend = start(database_url=own_url, labels="s3://monitoring/prod", endpoint_name="ontime-test")
    id = asked(backend)
    tell(backend, id, True)
    wait_for(lambda: endpoint.asked)
    (put,) = endpoint.asked
    assert ("PUT", True) == (put.method, put.path.startswith("/monitoring/prod/ground-truth/ontime-test/20"))
    assert json.dumps(label(id, True), separators=(",", ":")).encode() in put.body
