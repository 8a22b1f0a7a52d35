"""CSV bodies."""

from __future__ import annotations

import pytest

from ml_model_service.errors import Problem
from ml_model_service.formats.csv_rows import read_csv
from samples import ENCODER

GOOD = "B6,JFK,71.5,480"
TEMP = "expected number from -50 up to 150 or an empty field"


@pytest.mark.parametrize(
    ("body", "numbers"),
    [
        (GOOD, "1.0 1.0 71.5 480.0"),
        (GOOD + "\r\n", "1.0 1.0 71.5 480.0"),
        ("\ufeff" + GOOD + "\n,EWR,,0\n", "1.0 1.0 71.5 480.0 nan 0.0 nan 0.0"),
        ("minute,temp,origin,airline\n480,71.5,JFK,ZZ", "nan 1.0 71.5 480.0"),
        ('"airline","origin","temp","minute"\n"Z""Z,\n",JFK, 71.5 ,"480"\n', "nan 1.0 71.5 480.0"),
        ("B6,JFK,+7.15e1,480.", "1.0 1.0 71.5 480.0"),
        ("null,JFK,71.5,480", "nan 1.0 71.5 480.0"),
        ("B6,JFK,71.5,480\rB6,EWR,,1", "1.0 1.0 71.5 480.0 1.0 0.0 nan 1.0"),
    ],
)
def test_rows_are_read(body: str, numbers: str) -> None:
    """With and without header, quotes, byte order mark and the line ends of all systems."""
    matrix, rows = read_csv(body.encode(), ENCODER, 3)
    assert (numbers, len(matrix) // 4) == (" ".join(map(repr, matrix)), rows)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (f"{GOOD}\n{GOOD}\nB6,JFK,hot,480", f"line 3, field temp: {TEMP}, found 'hot'"),
        (
            f'airline,origin,temp,minute\n"B\n6",JFK,,1\n{GOOD[:-3]}-1',
            "line 4, field minute: expected number from 0 up to 1439, found -1.0",
        ),
        ("B6,LGA,,1", "line 1, field origin: expected one of EWR, JFK, found 'LGA'"),
        ("B6,,,1", "line 1, field origin: expected one of EWR, JFK, found null"),
        ("B6,JFK,nan,1", f"line 1, field temp: {TEMP}, found 'nan'"),
        ("B6,JFK,null,1", f"line 1, field temp: {TEMP}, found 'null'"),
        ("B6,JFK,1_0,1", f"line 1, field temp: {TEMP}, found '1_0'"),
        ("B6,JFK,\u0661,1", f"line 1, field temp: {TEMP}, found '\u0661'"),
        ("B6,JFK,[1],1", f"line 1, field temp: {TEMP}, found '[1]'"),
        ('B6,JFK,"1,2",1', f"line 1, field temp: {TEMP}, found '1,2'"),
        (f"{GOOD}\nB6,JFK,1", "line 2: expected 4 fields, one for each feature, found '3 fields'"),
        (f'{GOOD}\n"B6",JFK,1', "line 2: expected 4 fields, one for each feature, found '3 fields'"),
        (f"{GOOD}\n\n{GOOD}", "line 2: expected 4 fields, one for each feature, found '1 fields'"),
        (f"{GOOD}\n" * 4, "body: expected 1 to 3 rows, found 'more than 3 rows'"),
        (f'{GOOD}\n"B6",JFK,1,1\n' * 2, "body: expected 1 to 3 rows, found 'more than 3 rows'"),
        ("airline,origin,temp,minute", "body: expected 1 to 3 rows, found 'no rows'"),
        ('"airline",origin,temp,minute\n', "body: expected 1 to 3 rows, found 'no rows'"),
        ("airline,origin,temp,minutes\n1", "line 1: expected a feature's name, found 'minutes' (and 1 more)"),
        ("airline,origin,temp,minute,temp\n1", "line 1: expected each feature once, found 'temp twice'"),
    ],
)  # fmt: skip
def test_the_message_says_line_and_field(body: str, message: str) -> None:
    """What does not fit is refused with its line as an editor counts it, and the field's name."""
    with pytest.raises(Problem) as caught:
        read_csv(body.encode(), ENCODER, 3)
    assert (422, message) == (caught.value.status, caught.value.message)


@pytest.mark.parametrize("body", [b"\xff\xfe", b"\n\r\n", b'B6,JFK,"1"2,3', b'B6,"JFK\n', b'"' + b"x" * 200_000 + b'"'])
def test_what_is_not_csv_is_400(body: bytes) -> None:
    """Bytes that are no UTF-8, empty lines, broken quotes and endless fields are no rows at all."""
    with pytest.raises(Problem) as caught:
        read_csv(body, ENCODER, 3)
    assert (400, "invalid_csv") == (caught.value.status, caught.value.code)
