"""JSON bodies: the envelope."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conftest import ROW
from ml_model_service.errors import Problem
from ml_model_service.formats.json_rows import read_json
from samples import ENCODER

VALUES = list(ROW.values())
NAMES = list(ROW)
ANY = (
    'object {"instances": [...]}, {"dataframe_records": [...]}, '
    '{"columns": [...], "data": [...]} or {"dataframe_split": {...}}'
)


def refused(body: Any) -> tuple[int, str]:
    """Status and message of a body that is turned down."""
    with pytest.raises(Problem) as caught:
        read_json(body if isinstance(body, bytes) else json.dumps(body).encode(), ENCODER, max_rows=2)
    return caught.value.status, caught.value.message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([1], f"body: expected {ANY}, found 'array'"),
        ({}, "instances: expected array of 1 to 2 objects or arrays, found nothing"),
        ({"instances": {}}, "instances: expected array of 1 to 2 objects or arrays, found 'object'"),
        ({"instances": []}, "instances: expected array of 1 to 2 objects or arrays, found 'an empty array'"),
        ({"instances": [ROW] * 3}, "instances: expected array of 1 to 2 objects or arrays, found '3 rows'"),
        ({"instances": [ROW, 3]}, "instances[1]: expected object with the model's features, found 'number'"),
        ({"instances": [ROW, VALUES]}, "instances[1]: expected object with the model's features, found 'array'"),
        ({"instances": [VALUES, ROW]}, "instances[1]: expected array of 4 values, found 'object'"),
        ({"instances": [VALUES, VALUES[1:]]}, "instances[1]: expected array of 4 values, found '3 values'"),
        ({"instances": [ROW], "x": 1}, "x: expected no other field than instances, found 'number'"),
        (
            {"dataframe_split": [ROW]},
            "dataframe_split: expected object {\"columns\": [...], \"data\": [...]}, found 'array'",
        ),
        (
            {"dataframe_records": [VALUES]},
            "dataframe_records[0]: expected object with the model's features, found 'array'",
        ),
        ({"data": [VALUES]}, "columns: expected array of the features' names, found nothing"),
        ({"columns": NAMES}, "data: expected array of 1 to 2 arrays, found nothing"),
        ({"columns": [*NAMES, "temp"], "data": [VALUES]}, "columns: expected each feature once, found 'temp twice'"),
        ({"columns": NAMES[:3], "data": [VALUES]}, "columns: expected minute, as all features, found nothing"),
        ({"columns": [*NAMES, {}], "data": [VALUES]}, "columns: expected a feature's name, found {}"),
        (
            {"columns": NAMES[::-1], "data": [VALUES[::-1], [*VALUES[:0:-1], 7]]},
            "data[1].airline: expected string or null, found 7",
        ),
        (
            {"dataframe_split": {"columns": NAMES, "data": [[*VALUES[:3], 1440]]}},
            "dataframe_split.data[0].minute: expected number from 0 up to 1439, found 1440",
        ),
        ({"instances": [[*VALUES[:3], True]]}, "instances[0].minute: expected number from 0 up to 1439, found True"),
    ],
)  # fmt: skip
def test_the_message_says_where_and_what(body: Any, message: str) -> None:
    """A wrong envelope or row is refused with its place, what was found and what is allowed."""
    assert (422, message) == refused(body)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b" \n",
        b"\xff",
        b'{"instances": [{"a": "\xff"}]}',
        b'{"instances": [{"a": "\\ud800"}]}',
        b'{"instances": [{"temp": NaN}]}',
        b'{"instances": [{"temp": 1e999}]}',
    ],
)
def test_what_is_not_json_is_400(body: bytes) -> None:
    """Broken, badly encoded and non-standard JSON is no JSON."""
    assert 400 == refused(body)[0]


@pytest.mark.parametrize(
    ("number", "found"), [("NaN", "nan"), ("-Infinity", "-inf"), ("1e999", "inf"), ("9" * 5000, "inf")]
)
@pytest.mark.parametrize(
    ("envelope", "place"),
    [
        ('{"instances": [%s, {"airline": "AA", "origin": "JFK", "minute": 1, "temp": NUMBER}]}', "instances[1].temp"),
        ('{"instances": [["AA", "JFK", NUMBER, 1]]}', "instances[0].temp"),
        ('{"columns": ["minute", "temp", "origin", "airline"], "data": [[1, 2, "JFK", NUMBER]]}', "data[0].airline"),
        (
            '{"dataframe_records": [{"airline": "AA", "origin": NUMBER, "minute": 1, "temp": 2}]}',
            "dataframe_records[0].origin",
        ),
    ],
)
def test_a_number_that_json_has_no_word_for_is_placed(envelope: str, place: str, number: str, found: str) -> None:
    """Python's encoder writes NaN for what is missing: its row and field are named, though the body is no JSON."""
    body = envelope.replace("%s", json.dumps(ROW)).replace("NUMBER", number)
    status, message = refused(body.encode())
    assert (400, True) == (status, message.startswith(f"the body is not JSON: {place}: expected "))
    assert message.endswith(f", found {found}")


@pytest.mark.parametrize(
    "body",
    [
        b'{"columns": ["airline", "origin", "temp", "minute"], "index": [NaN], "data": [["AA", "JFK", 1, 2]]}',
        b'{"instances": [{"airline": "\\ud800", "origin": "JFK", "minute": 1, "temp": NaN}]}',
        b'{"instances": [{"airline": "AA", "origin": "JFK", "minute": 1, "temp": NaN}]',
    ],
)
def test_a_number_that_cannot_be_placed_is_no_json_either(body: bytes) -> None:
    """Nothing that is not JSON is taken for that its wrong part is not read."""
    status, message = refused(body)
    assert (400, True) == (status, message.startswith("the body is not JSON: JSON is malformed"))


def test_a_byte_order_mark_is_passed_over() -> None:
    """As some clients put one first, here as in CSV."""
    body = b"\xef\xbb\xbf" + json.dumps({"instances": [ROW]}).encode()
    assert 1 == read_json(body, ENCODER, 2)[1]
    assert 400 == refused(b"\xef\xbb\xbf")[0]


def test_a_body_of_another_charset_names_its_byte() -> None:
    """Counted from the body's start."""
    body = b'{"instances": [{"airline": "\xe9", "origin": "JFK", "temp": 1, "minute": 2}]}'
    assert (400, "the body is not UTF-8: invalid continuation byte at byte 28") == refused(body)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"instances": ' + b"[" * 100_000, "over 10 arrays and objects"),
        (b'{"instances": [' + b"[]," * 1000 + b"[]]}", "over 10 arrays and objects"),
        (b'{"instances": [[' + b"1," * 1000 + b"1]]}", "over 80 values"),
    ],
)
def test_bodies_that_would_grow_in_memory_are_not_decoded(body: bytes, found: str) -> None:
    """More brackets or commas than any request may have are refused before objects are made of them."""
    status, message = refused(body)
    assert (422, True) == (status, message.endswith(f"found {found!r}"))


def test_brackets_and_commas_in_strings_do_not_count() -> None:
    """Only structure is bounded, not what strings hold, nor does a string without end take long."""
    row = ROW | {"airline": "[{," * 1000, "temp": None}
    assert 2 == read_json(json.dumps({"instances": [row, row]}).encode(), ENCODER, 2)[1]
    assert 422 == refused({"instances": [row, row | {"temp": "x"}]})[0]
    assert 400 == refused(b'{"instances": [' + b'"\\' * 200_000 + b"[" * 100)[0]
