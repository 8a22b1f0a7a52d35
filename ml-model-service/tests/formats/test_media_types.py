"""Which format a request means, and that all formats mean the same."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import FEATURES, ROW
from ml_model_service.errors import Problem
from ml_model_service.formats.encoder import Encoder
from ml_model_service.formats.media_types import Kind, answer_kind, read_rows, request_kind, write_predictions
from ml_model_service.metadata import FeatureSchema
from samples import ENCODER, expected, good_rows, npy

NAMES = [feature["name"] for feature in FEATURES]


def as_csv(rows: list[dict[str, Any]], order: list[str], header: bool, **options: Any) -> bytes:
    """The rows as the standard library writes them."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, **options)
    writer.writerows([order] if header else [])
    writer.writerows([["" if row[name] is None else row[name] for name in order] for row in rows])
    return file.getvalue().encode()


# a category that is the empty string cannot be told from a missing one in CSV
plain_rows = good_rows.filter(lambda row: row["airline"] != "")


@given(st.lists(plain_rows, min_size=1, max_size=5), st.permutations(NAMES), st.booleans())
def test_every_format_gives_the_same_numbers(rows: list[dict[str, Any]], order: list[str], quoted: bool) -> None:
    """The same rows in each shape and format become the same matrix, to the last bit."""
    wanted = [number for row in rows for number in expected(row)]
    arrays = [[row[name] for name in order] for row in rows]
    columns = np.array(wanted).reshape(len(rows), len(NAMES))
    bodies: list[tuple[Kind, Any]] = [
        ("json", {"instances": rows}),
        ("json", {"instances": [[row[name] for name in NAMES] for row in rows]}),
        ("json", {"dataframe_records": rows}),
        ("json", {"columns": order, "data": arrays, "index": [0] * len(rows)}),
        ("json", {"dataframe_split": {"columns": order, "data": arrays}}),
        ("csv", as_csv(rows, order, True, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL)),
        ("csv", as_csv(rows, NAMES, False, lineterminator="\r\n" if quoted else "\n")),
        ("npy", npy(columns)),
        ("npy", npy(np.asfortranarray(columns))),
        ("npy", npy(columns.astype(">f8"))),
    ]
    for kind, body in bodies:
        given_bytes = body if isinstance(body, bytes) else json.dumps(body).encode()
        matrix, count = read_rows(kind, given_bytes, ENCODER, 5)
        assert (len(rows), [repr(number) for number in wanted]) == (count, [repr(number) for number in matrix]), kind


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("", "json"),
        ("application/json", "json"),
        ("Application/JSON; charset=UTF-8", "json"),
        ("text/csv;header=present; charset=\"utf-8\"", "csv"),
        (" application/x-npy ", "npy"),
        ("application/jsonlines", "jsonl"),
        ("application/x-jsonlines; charset=utf-8", "jsonl"),
        ("application/x-ndjson", "jsonl"),
    ],
)  # fmt: skip
def test_the_content_type_names_the_format(content_type: str, kind: Kind) -> None:
    """Case and parameters do not matter; nothing said means JSON."""
    assert kind == request_kind(content_type.encode())


@pytest.mark.parametrize(
    ("content_type", "found"),
    [("text/html", "'text/html'"), ("application/x-python-pickle", "pickle"), ("text/csv; charset=latin-1", "latin-1")],
)
def test_other_content_types_are_415(content_type: str, found: str) -> None:
    """What cannot be read is refused with what can."""
    with pytest.raises(Problem, match=r"allowed: ") as caught:
        request_kind(content_type.encode())
    assert 415 == caught.value.status
    assert found in caught.value.message


@pytest.mark.parametrize(
    ("accept", "asked", "kind"),
    [
        ("", "npy", "npy"),
        ("*/*", "csv", "csv"),
        ("text/csv", "json", "csv"),
        ("text/*, application/json;q=0.5", "json", "csv"),
        ("application/*", "npy", "npy"),
        ("application/*", "csv", "json"),
        ("application/json;q=0.2, */*;q=0.1", "csv", "json"),
        ("*/*, application/json;q=0", "json", "csv"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "npy", "npy"),
        ("text/csv;q=much, application/json", "csv", "json"),
    ],
)
def test_the_answer_is_what_the_client_likes_best(accept: str, asked: Kind, kind: Kind) -> None:
    """Quality values and ranges decide; the format of the request wins among equals."""
    assert kind == answer_kind(accept.encode(), asked)


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "image/*, */*;q=0", "/", ",;,=q"])
def test_an_answer_that_nobody_wants_is_406(accept: str) -> None:
    """When no format will do, the formats there are are named."""
    with pytest.raises(Problem, match="allowed: application/json, text/csv, application/x-npy") as caught:
        answer_kind(accept.encode(), "json")
    assert 406 == caught.value.status


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_predictions_come_back_to_the_last_bit(predictions: list[float]) -> None:
    """Each format of answer holds exactly the numbers predicted."""
    kind, body = write_predictions("json", "v1.0", predictions)
    assert (b"application/json", {"model_version": "v1.0", "predictions": predictions}) == (kind, json.loads(body))
    kind, body = write_predictions("csv", "v1.0", predictions)
    assert (b"text/csv; charset=utf-8", predictions) == (kind, [float(line) for line in body.decode().splitlines()])
    kind, body = write_predictions("npy", "v1.0", predictions)
    assert (b"application/x-npy", npy(np.array(predictions))) == (kind, body)


@pytest.mark.parametrize("kind", ["json", "csv", "npy", "jsonl"])
def test_an_empty_body_is_400(kind: Kind) -> None:
    """Nothing is no request in any format."""
    with pytest.raises(Problem) as caught:
        read_rows(kind, b"", ENCODER, 5)
    assert (400, f"invalid_{kind}") == (caught.value.status, caught.value.code)


def test_json_lines_hold_a_row_each() -> None:
    """Objects, arrays in the schema's order, and arrays as SageMaker's algorithms take them, also beside each other."""
    lines = [json.dumps(ROW), json.dumps(list(ROW.values())), json.dumps({"features": list(ROW.values())})]
    for body in ("\n".join(lines), "\r\n".join(lines) + "\r\n", "\ufeff" + "\n".join(lines), lines[0]):
        values, rows = read_rows("jsonl", body.encode(), ENCODER, 5)
        assert (expected(ROW) * rows, 3 if len(body) > len(lines[0]) else 1) == (list(values), rows)
    assert (b"application/jsonlines", b'{"prediction":0.25}\n{"prediction":1.0}\n') == write_predictions(
        "jsonl", "v1.0", [0.25, 1.0]
    )


@pytest.mark.parametrize(
    ("lines", "status", "message"),
    [
        (["{}", "{}"], 422, "line 1, field airline: expected string or null, found nothing"),
        ([json.dumps(ROW), json.dumps({**ROW, "temp": "hot"})], 422, "line 2, field temp: expected number"),
        ([json.dumps(ROW), "", json.dumps(ROW)], 400, "line 2 is not JSON: it is empty"),
        ([json.dumps(ROW) + json.dumps(ROW)], 400, "line 1 is not JSON: JSON is malformed"),
        ([json.dumps(ROW), json.dumps({**ROW, "temp": float("nan")})], 400, "line 2, field temp: expected number"),
        (["[1, 2]"], 422, "line 1: expected array of 4 values, found '2 values'"),
        (["7"], 422, "line 1: expected object with the model's features, or array of 4 values, found 'number'"),
        ([json.dumps(ROW)] * 6, 422, "body: expected 1 to 5 rows, one a line, found '6 lines'"),
        ([json.dumps(ROW, indent=1)], 400, "line 1 is not JSON"),
    ],
)
def test_a_line_that_is_no_row_is_named(lines: list[str], status: int, message: str) -> None:
    """With its number, and the field where there is one."""
    with pytest.raises(Problem) as caught:
        read_rows("jsonl", "\n".join(lines).encode(), ENCODER, 9 if "indent" in lines[0] or "\n" in lines[0] else 5)
    assert (status, True) == (caught.value.status, message in caught.value.message), caught.value.message


@pytest.mark.parametrize("params", [{}, None])
def test_mlflows_params_say_nothing_where_they_are_empty(params: Any) -> None:
    """Its clients send them with every request."""
    for body in (
        {"instances": [ROW]},
        {"dataframe_records": [ROW]},
        {"dataframe_split": {"columns": NAMES, "data": [list(ROW.values())]}},
    ):
        asked = json.dumps({**body, "params": params}).encode()
        assert expected(ROW) == list(read_rows("json", asked, ENCODER, 5)[0])


def test_a_parameter_is_refused_by_name() -> None:
    """With what to do: the model has none, and to ignore it would answer another question."""
    asked = json.dumps({"dataframe_records": [ROW], "params": {"temperature": 0.5}}).encode()
    with pytest.raises(Problem, match=r"params\.temperature: expected no parameter") as caught:
        read_rows("json", asked, ENCODER, 5)
    assert 422 == caught.value.status
    with pytest.raises(Problem, match="params: expected object without entries, or no `params`, found 'number'"):
        read_rows("json", json.dumps({"instances": [ROW], "params": 1}).encode(), ENCODER, 5)


def test_names_that_python_has_no_word_for_are_read() -> None:
    """Features may be called anything, and one feature is enough."""
    features = [{"name": name, "type": "number", "nullable": True} for name in ("class", "mean, radius", "é", "f0")]
    encoder = Encoder(msgspec.convert({"features": features, "output": {"name": "p"}}, FeatureSchema))
    row = {str(feature["name"]): position for position, feature in enumerate(features)}
    assert [0, 1, 2, 3] == list(read_rows("json", json.dumps({"instances": [row]}).encode(), encoder, 5)[0])
    body = 'é,class,"mean, radius",f0\n2,0,1,3'
    assert [0, 1, 2, 3] == list(read_rows("csv", body.encode(), encoder, 5)[0])
    alone = Encoder(msgspec.convert({"features": features[:1], "output": {"name": "p"}}, FeatureSchema))
    assert ["1.0", "nan", "2.0"] == [repr(number) for number in read_rows("csv", b"class\n1\n\n2\n", alone, 5)[0]]


AWKWARD = (
    "n items", "a-b", "2nd", "x<5", "😀", 'say "hi"', "back\\slash", "mean, radius", " a", "a", "a ", "f0", "Column_0",
    "input", "it's", "{}", "[0]", "ключ", "n" * 200, "instances",
)  # fmt: skip


@pytest.mark.parametrize("names", [AWKWARD, *[(name,) for name in AWKWARD]])
def test_rows_come_under_the_names_of_the_schema(names: tuple[str, ...]) -> None:
    """Whatever a feature is called, JSON in each shape and CSV under a header hold it by that very name."""
    features = [{"name": name, "type": "number", "nullable": True} for name in names]
    encoder = Encoder(msgspec.convert({"features": features, "output": {"name": "p"}}, FeatureSchema))
    wanted = [position + 0.5 for position in range(len(names))]
    row, backwards = dict(zip(names, wanted, strict=True)), list(names)[::-1]
    header = io.StringIO()
    csv.writer(header).writerow(backwards)
    bodies: list[tuple[Kind, str]] = [
        ("json", json.dumps({"instances": [row]})),
        ("json", json.dumps({"dataframe_records": [row]})),
        ("json", json.dumps({"columns": backwards, "data": [wanted[::-1]]})),
        ("csv", f"{header.getvalue()}{','.join(map(str, wanted[::-1]))}\n"),
        ("csv", f"{','.join(map(str, wanted))}\n"),
    ]
    for kind, body in bodies:
        assert (wanted, 1) == (list((found := read_rows(kind, body.encode(), encoder, 5))[0]), found[1])
    with pytest.raises(Problem) as caught:
        read_rows("json", json.dumps({"instances": [{**row, names[0]: "x"}]}).encode(), encoder, 5)
    assert f"instances[0].{names[0]}" == caught.value.details[0].path


def test_a_header_that_might_be_a_row_is_refused() -> None:
    """Where the features' names are values, too, a line of them would be lost as the one or the other."""
    features = [{"name": name, "type": "number", "nullable": True} for name in ("1", "2")]
    encoder = Encoder(msgspec.convert({"features": features, "output": {"name": "p"}}, FeatureSchema))
    with pytest.raises(Problem, match="line 1: expected JSON, as the features' names are values, too"):
        read_rows("csv", b"2,1\n0.5,0.25\n", encoder, 5)
    assert [0.5, 0.25] == list(read_rows("csv", b"0.5,0.25\n", encoder, 5)[0])


def test_numbers_too_large_for_c_are_looked_at_with_care() -> None:
    """Whole numbers beyond 64 bits are numbers like any other."""
    features = [{"name": "x", "type": "number", "nullable": False}]
    encoder = Encoder(msgspec.convert({"features": features, "output": {"name": "p"}}, FeatureSchema))
    body = json.dumps({"instances": [{"x": 10**30}]}).encode()
    assert [1e30] == list(read_rows("json", body, encoder, 5)[0])


def test_golden_rows_are_read_from_bytearrays_too() -> None:
    """A body that came in parts is read as one that came whole."""
    bodies: list[tuple[Kind, bytes]] = [
        ("json", json.dumps({"instances": [ROW]}).encode()),
        ("csv", as_csv([ROW], NAMES, True)),
        ("npy", npy(np.array([expected(ROW)]))),
    ]
    for kind, body in bodies:
        assert expected(ROW) == list(read_rows(kind, bytearray(body), ENCODER, 5)[0])
