"""Both services keep to their own OpenAPI documents, whatever they are sent."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.contracts.programs import Program, Service
from tests.mobile.app import MOBILE

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
BOUNDED = settings(
    max_examples=20, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)

# what cannot be made of a schema is sent as bytes and text that are nearly always wrong
schemathesis.serializer.alias("application/x-npy", "application/octet-stream")
schemathesis.serializer.alias(["text/csv", "application/jsonlines"], "text/plain")


@pytest.fixture(scope="module")
def backend(two_variants: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The backend with its real database and the model service behind it."""
    program, folder = Program("backend-api"), tmp_path_factory.mktemp("backend")
    variables = {
        "DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'ontime.db'}", "MODEL_SERVICE_URL": two_variants.url
    }  # fmt: skip
    migrated = program.run("-m", "backend_api.migrate", **variables)
    assert 0 == migrated.returncode, migrated.stderr
    with program.serving(["-m", "backend_api"], folder / "backend.log", variables, "/ready") as running:
        yield running


def test_model_service(two_variants: Service) -> None:
    """No input makes the model service fail, and every answer is one that its document names."""
    document = schemathesis.openapi.from_url(f"{two_variants.url}/openapi.json")
    operations, good = conforming(document)
    assert len(operations) >= 8
    assert operations == good


def test_backend(backend: Service) -> None:
    """No input makes the backend fail, and every answer is one that its document names."""
    document = schemathesis.openapi.from_url(f"{backend.url}/api/openapi.json")
    operations, good = conforming(document)
    # which airports there are, and which predictions, a schema does not say
    unsaid = {
        "POST /api/predict",
        "GET /api/outlook",
        "GET /api/predictions/{id}",
        "POST /api/predictions/{id}/outcome",
    }
    assert unsaid >= operations - good


def test_document_of_the_backend(backend: Service) -> None:
    """The document that the mobile app's types are made of is the backend's."""
    document = backend.ask("GET", "/api/openapi.json").json()
    assert document == json.loads((MOBILE / "openapi.json").read_text()), "make mobile-types"


def test_backend_answers_for_a_flight(backend: Service) -> None:
    """A flight's answer, made and read again, its day and its outcome are such as the backend's document describes."""
    document = schemathesis.openapi.from_url(f"{backend.url}/api/openapi.json")
    flight = {"origin": "JFK", "destination": "LAX", "carrier": "B6", "departure": "2013-07-04T08:15"}
    phone = {"x-device-id": "phone-7"}
    predict = document["/api/predict"]["POST"].Case(body=flight, headers=phone, media_type="application/json")
    made = predict.call_and_validate(checks=CHECKS, timeout=60)
    assert 200 == made.status_code, made.text
    read = document["/api/predictions/{id}"]["GET"].Case(path_parameters={"id": made.json()["id"]})
    again = read.call_and_validate(checks=CHECKS, timeout=60)
    assert (200, made.json()["probability"]) == (again.status_code, again.json()["probability"])
    day = document["/api/outlook"]["GET"].Case(query=flight, headers=phone)
    hours = day.call_and_validate(checks=CHECKS, timeout=60).json()["hours"]
    assert [made.json()["probability"]] == [
        h["probability"] for h in hours if h["departure"] == made.json()["departure"]
    ]
    outcome = document["/api/predictions/{id}/outcome"]["POST"].Case(
        path_parameters={"id": made.json()["id"]}, body={"late": True}, headers=phone, media_type="application/json"
    )
    told = outcome.call_and_validate(checks=CHECKS, timeout=60)
    assert (200, True) == (told.status_code, told.json()["late"])


def conforming(document: schemathesis.BaseSchema) -> tuple[set[str], set[str]]:
    """Ask every operation what its document allows and what it does not: all labels, and those that answered 200."""
    operations = [result.ok() for result in document.get_all_operations()]
    good: set[str] = set()
    for operation in operations:
        for mode in GenerationMode:
            if mode is GenerationMode.NEGATIVE and not operation.body:
                # any text does in a path and in headers
                continue

            @BOUNDED
            @given(case=operation.as_strategy(generation_mode=mode))
            def conforms(case: schemathesis.Case) -> None:
                if case.call_and_validate(checks=CHECKS, timeout=60).status_code == 200:
                    good.add(case.operation.label)

            conforms()
    return {operation.label for operation in operations}, good
