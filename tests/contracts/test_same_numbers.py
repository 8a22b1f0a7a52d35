"""What clients are served is what the training library predicted, whatever the format."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from tests.contracts.conftest import Holdout, probability
from tests.contracts.programs import Service

ROWS = 10_000
AT_ONCE = 1_000
SINGLE = 300


@pytest.fixture(scope="module")
def tolerance(metadata: Any) -> float:
    return float(metadata.get("tolerance", 1e-9))


def parts(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for begin in range(0, len(rows), AT_ONCE):
        yield rows[begin : begin + AT_ONCE]


def largest_difference(expected: Sequence[float], actual: Sequence[float]) -> float:
    assert len(expected) == len(actual)
    differences = [abs(a - b) for a, b in zip(expected, actual, strict=True)]
    assert not any(map(math.isnan, differences))
    return max(differences)


def as_csv(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()


def as_npy(matrix: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, matrix)
    return file.getvalue()


def test_holdout_is_whole(holdout: Holdout) -> None:
    """Ten thousand held-out rows, among them such with missing values, with predictions that differ."""
    assert ROWS == len(holdout.predictions)
    assert any("" in row for row in holdout.fields)
    assert len(set(holdout.predictions)) > ROWS / 10


def test_json_rows_one_by_one(service: Service, holdout: Holdout, tolerance: float) -> None:
    """A request of one row is answered with the training library's prediction."""
    every = ROWS // SINGLE
    served = [probability(service.predict([row])) for row in holdout.instances[::every]]
    assert len(served) >= SINGLE
    assert largest_difference(holdout.predictions[::every], served) <= tolerance


def test_json_rows_by_the_thousand(service: Service, holdout: Holdout, tolerance: float) -> None:
    """All rows, a thousand a request, are answered with the training library's predictions."""
    served: list[float] = []
    for rows in parts(holdout.instances):
        answer = service.predict(rows)
        assert 200 == answer.status, answer.body[:300]
        served += answer.json()["predictions"]
    assert largest_difference(holdout.predictions, served) <= tolerance


@pytest.mark.parametrize("header", [False, True])
def test_csv(service: Service, holdout: Holdout, tolerance: float, header: bool) -> None:
    """Rows as CSV, with or without a header, are answered with the training library's predictions."""
    served: list[float] = []
    for rows in parts(holdout.fields):
        body = as_csv([holdout.names, *rows] if header else rows)
        answer = service.ask("POST", "/invocations", body, {"content-type": "text/csv"})
        assert (200, "text/csv") == (answer.status, answer.headers["content-type"].split(";")[0]), answer.body[:300]
        served += [float(line) for line in answer.body.split()]
    assert largest_difference(holdout.predictions, served) <= tolerance


@pytest.mark.parametrize("order", ["C", "F"])
def test_numpy(service: Service, holdout: Holdout, metadata: Any, tolerance: float, order: Any) -> None:
    """Rows as NumPy arrays of either order, categories as codes, are answered with the library's predictions."""
    columns = []
    for feature in metadata["feature_schema"]["features"]:
        values = [row[feature["name"]] for row in holdout.instances]
        if feature["type"] == "category":
            codes = {value: code for code, value in enumerate(feature["values"])}
            values = [codes.get(value) for value in values]
        columns.append(np.array([math.nan if value is None else value for value in values], dtype=np.float64))
    matrix = np.column_stack(columns)
    served: list[float] = []
    for begin in range(0, ROWS, AT_ONCE):
        body = as_npy(np.asarray(matrix[begin : begin + AT_ONCE], order=order))
        answer = service.ask("POST", "/invocations", body, {"content-type": "application/x-npy"})
        assert (200, "application/x-npy") == (answer.status, answer.headers["content-type"]), answer.body[:300]
        predictions = np.load(io.BytesIO(answer.body))
        assert ((AT_ONCE,), np.float64) == (predictions.shape, predictions.dtype)
        served += predictions.tolist()
    assert largest_difference(holdout.predictions, served) <= tolerance
