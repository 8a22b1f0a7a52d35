"""Data capture's lines and files.

Pages of the SageMaker developer guide: "Capture data from real-time endpoint" (model-monitor-data-capture-endpoint),
"Merging ground truth" (model-monitor-model-quality-merge).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.conftest import ENDPOINT, VARIANT, VERSION, Holdout, Start
from tests.contracts.programs import Service

FILE = re.compile(rf"{ENDPOINT}/{VARIANT}/\d{{4}}/\d\d/\d\d/\d\d/\d\d-\d\d-[\w-]+\.jsonl")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Capture = Callable[..., list[tuple[str, dict[str, Any]]]]


@pytest.fixture
def capture(start: Start, bucket: Path, tmp_path: Path) -> Capture:
    """What a service captures while `ask(service)` runs: file and line, in order; it is stopped in between."""

    def run(ask: Callable[[Service], None], **variables: str) -> list[tuple[str, dict[str, Any]]]:
        place = tmp_path / "monitoring-bucket"
        place.mkdir()
        with start(bucket / VERSION, capture=place, **variables) as service:
            ask(service)
            assert 0 == service.stop()
        files = sorted(path for path in place.rglob("*") if path.is_file())
        return [(str(file.relative_to(place)), json.loads(line)) for file in files for line in file.open()]

    return run


def test_line_has_the_documented_shape(capture: Capture, holdout: Holdout) -> None:
    """A line is captureData with endpointInput and endpointOutput, eventMetadata, eventVersion “0”; no key more or less."""
    before = datetime.now(UTC).replace(microsecond=0)
    answers: list[bytes] = []
    ((file, line),) = capture(lambda service: answers.append(service.predict(holdout.instances[:1]).body))
    assert {"captureData", "eventMetadata", "eventVersion"} == set(line)
    sent = line["captureData"]
    assert {"endpointInput", "endpointOutput"} == set(sent)
    body = json.dumps({"instances": holdout.instances[:1]})
    assert {
        "endpointInput": {
            "observedContentType": "application/json", "mode": "INPUT", "data": body, "encoding": "JSON"
        },
        "endpointOutput": {
            "observedContentType": "application/json", "mode": "OUTPUT", "data": answers[0].decode(), "encoding": "JSON",
        },
    } == sent  # fmt: skip
    assert {"eventId", "inferenceTime"} == set(line["eventMetadata"])
    assert UUID.fullmatch(line["eventMetadata"]["eventId"])
    moment = datetime.strptime(line["eventMetadata"]["inferenceTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert before <= moment <= datetime.now(UTC)
    assert "0" == line["eventVersion"]
    assert f"{moment:%Y/%m/%d/%H}" in file


def test_files_lie_by_endpoint_variant_and_hour(capture: Capture, holdout: Holdout) -> None:
    """“{destination-bucket-prefix}/{endpoint-name}/{variant-name}/yyyy/mm/dd/hh/filename.jsonl”."""
    lines = capture(lambda service: [service.predict([row]) for row in holdout.instances[:20]] and None)
    assert 20 == len(lines)
    assert all(FILE.fullmatch(file) for file, _ in lines), lines[0][0]
    assert 20 == len({line["eventMetadata"]["eventId"] for _, line in lines})


def test_inference_id_and_custom_attributes_are_kept(capture: Capture, holdout: Holdout) -> None:
    """inferenceId, by which ground truth is merged, and customAttributes stand in eventMetadata as they were sent."""
    headers = {"x_amzn_sagemaker_inference_id": "flight-7", "x_amzn_sagemaker_custom_attributes": 'trace="1"'}
    ((_, line),) = capture(lambda service: service.predict(holdout.instances[:1], **headers) and None)
    event = line["eventMetadata"]
    assert ("flight-7", 'trace="1"') == (event["inferenceId"], event["customAttributes"])


def test_csv_is_kept_as_text_and_other_content_as_base64(capture: Capture, holdout: Holdout) -> None:
    """The encoding is CSV, JSON or BASE64: what is no text is base64."""
    text = ",".join(holdout.fields[0])

    def ask(service: Service) -> None:
        answer = service.ask("POST", "/invocations", text, {"content-type": "text/csv", "accept": "application/x-npy"})
        assert 200 == answer.status

    ((_, line),) = capture(ask)
    sent, answered = line["captureData"]["endpointInput"], line["captureData"]["endpointOutput"]
    assert ("text/csv", "CSV", text) == (sent["observedContentType"], sent["encoding"], sent["data"])
    assert ("application/x-npy", "BASE64") == (answered["observedContentType"], answered["encoding"])
    assert base64.b64decode(answered["data"], validate=True).startswith(b"\x93NUMPY")


def test_only_answered_requests_are_captured(capture: Capture, holdout: Holdout) -> None:
    """Data capture keeps requests together with the inference that they got: errors have none."""

    def ask(service: Service) -> None:
        assert 400 == service.ask("POST", "/invocations", "{").status
        assert 422 == service.predict([{}]).status
        assert 200 == service.ask("GET", "/ping").status
        assert 200 == service.predict(holdout.instances[:1]).status

    assert 1 == len(capture(ask))


def test_nothing_is_captured_at_0_percent(capture: Capture, holdout: Holdout) -> None:
    """InitialSamplingPercentage: “Minimum value of 0”."""
    assert [] == capture(lambda service: service.predict(holdout.instances[:1]) and None, CAPTURE_PERCENT="0")


def test_masked_features_are_not_kept(capture: Capture, holdout: Holdout) -> None:
    """What CAPTURE_MASK names is null in JSON; the rest, and the answer, stay as they were."""
    name = holdout.names[0]
    ((_, line),) = capture(lambda service: service.predict(holdout.instances[:1]) and None, CAPTURE_MASK=name)
    (kept,) = json.loads(line["captureData"]["endpointInput"]["data"])["instances"]
    assert holdout.instances[0] | {name: None} == kept
