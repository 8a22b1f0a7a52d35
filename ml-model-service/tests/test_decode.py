"""The envelope of a request."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conftest import CHARACTERS
from ml_model_service.decode import decode
from ml_model_service.errors import Problem

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(CHARACTERS)
)
rows = st.lists(st.dictionaries(st.text(CHARACTERS), scalars), min_size=1, max_size=8)


@given(rows)
def test_rows_come_back_as_they_were_sent(sent: list[dict[str, Any]]) -> None:
    """Any rows of plain JSON values decode to themselves, in order."""
    assert sent == decode(json.dumps({"instances": sent}).encode(), max_rows=8)


@given(st.binary(max_size=200))
@example(b"\xff")
@example(b'{"instances": [{"a": "\xff"}]}')
@example(b'{"instances": [{"a": "\\ud800"}]}')
@example(b"[" * 100_000)
@example(b'{"instances": ' + b"[" * 100_000)
@example(b'{"instances": [{"a": NaN}]}')
@example(b'{"instances": [{"a": 1e999}]}')
def test_any_bytes_are_rows_or_a_problem(body: bytes) -> None:
    """No body makes the decoder fail in any other way than with 400 or 422."""
    try:
        assert all(isinstance(row, dict) for row in decode(body, max_rows=4))
    except Problem as problem:
        assert problem.status in (400, 422)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ("{", 400, "the body is not JSON: Input data was truncated"),
        ("[1]", 422, "body: expected object {\"instances\": [...]}, found 'array'"),
        ("{}", 422, "instances: expected array of 1 to 2 objects, found nothing"),
        ('{"instances": {}}', 422, "instances: expected array of 1 to 2 objects, found 'object'"),
        ('{"instances": []}', 422, "instances: expected array of 1 to 2 objects, found 'an empty array'"),
        ('{"instances": [{}, {}, {}]}', 422, "instances: expected array of 1 to 2 objects, found '3 rows'"),
        ('{"instances": [{}, 3]}', 422, "instances[1]: expected object with the model's features, found 'number'"),
        ('{"instances": [{}], "x": 1}', 422, "x: expected no other field than instances, found 'number'"),
    ],
)
def test_the_message_says_where_and_what(body: str, status: int, message: str) -> None:
    """A wrong envelope is refused with its place, what was found and what is allowed."""
    with pytest.raises(Problem) as caught:
        decode(body.encode(), max_rows=2)
    assert (status, message) == (caught.value.status, caught.value.message)
