"""Bodies that no client should send, against everything that reads bodies.

`python -m tests.fuzz_decoders --seconds 60` from this service's folder; guided by coverage where atheris is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import struct
import sys
import time
from array import array
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from ml_model_service.app import failure
from ml_model_service.capture.mask import Mask
from ml_model_service.errors import Problem
from ml_model_service.formats.encoder import MAX_DETAILS, Encoder
from ml_model_service.formats.media_types import Kind, answer_kind, read_rows, request_kind
from ml_model_service.formats.npy_rows import write_npy
from ml_model_service.metadata import FeatureSchema

MAX_ROWS = 4
SCHEMA = msgspec.convert(
    {
        "features": [
            {"name": "airline", "type": "category", "values": ["AA", "B6", ""], "nullable": True},
            {"name": "origin", "type": "category", "values": ["EWR", "JFK"], "nullable": False},
            {"name": "temp", "type": "number", "minimum": -50, "maximum": 150, "nullable": True},
            {"name": "minute", "type": "number", "nullable": False},
        ],
        "output": {"name": "p"},
    },
    FeatureSchema,
)
ENCODER, MASK = Encoder(SCHEMA), Mask(frozenset(["airline", "temp"]))
NAMES = list(ENCODER.names)
_OBJECT = {"airline": "AA", "origin": "JFK", "temp": 1.5, "minute": 480}
_ARRAY = ["B6", "EWR", None, 7e2]
SEEDS: list[tuple[Kind, bytes]] = [
    *(
        ("json", json.dumps(body).encode())
        for body in (
            {"instances": [_OBJECT]},
            {"instances": [_OBJECT, _OBJECT | {"airline": None, "temp": None}]},
            {"instances": [_ARRAY, _ARRAY]},
            {"dataframe_records": [_OBJECT]},
            {"columns": NAMES[::-1], "index": [0], "data": [_ARRAY[::-1]]},
            {"dataframe_split": {"columns": NAMES, "data": [_ARRAY]}},
            {"dataframe_split": {"columns": NAMES, "data": [_ARRAY]}, "params": {}},
        )
    ),
    ("json", b"\xef\xbb\xbf" + json.dumps({"instances": [_OBJECT]}).encode()),
    ("jsonl", "\n".join(json.dumps(row) for row in (_OBJECT, _ARRAY, {"features": _ARRAY})).encode()),
    ("jsonl", f"{json.dumps(_OBJECT)}\r\n{json.dumps(_OBJECT | {'airline': None})}\r\n".encode()),
    ("csv", b"AA,JFK,1.5,480\n,EWR,,0\n"),
    ("csv", b'airline,minute,origin,temp\r\n"A""A",1,JFK,\r\n'),
    ("npy", write_npy([[1.0, 0.0, float("nan"), 480.0]] * 2)),
    ("npy", write_npy([[1.0, 0.0, 1.5, 480.0]]).replace(b"False", b"True ")),
]
TOKENS = [
    *(b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"-0", b"1e-320", b"0.1", b"3", b'"', b"\\", b"\\ud800"),
    *(
        b"[",
        b"]",
        b"{",
        b"}",
        b",",
        b",,,,",
        b":",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b" ",
        b"\x00",
        b"\xff",
        b"\xef\xbb\xbf",
    ),
    *(b"9" * 400, b"[" * 5000, b"[]," * 5000, b"{}," * 50, "\u0661\u2028\U0001f600".encode()),
    *(b'"temp":', b'"instances":', b'"data":', b'"columns":', b'"dataframe_split":', b'"dataframe_records":'),
    *(b"airline,origin,temp,minute\n", b"\x93NUMPY", b"'descr': '|O'", b"'descr': '>i8'", b"'<f4'", b"True", b"(2, 4)"),
    *(b"(99999999999999999999, 4)", struct.pack("<d", float("inf")), struct.pack("<d", float("nan"))),
]
_numbers = st.integers(0, 600)
_changes = st.lists(
    st.tuples(_numbers, st.integers(0, 12), st.sampled_from(TOKENS) | st.just(b"") | st.binary(max_size=8)), max_size=5
)
bodies = st.builds(
    lambda seed, changes, kind: (kind or seed[0], _changed(seed[1], changes)),
    st.sampled_from(SEEDS),
    _changes,
    # now and then another kind than the body is
    st.sampled_from(["", "", "", "", "json", "csv", "npy", "jsonl"]),
)
headers = st.lists(
    st.sampled_from(
        [
            b"application/json",
            b"text/csv",
            b"application/x-npy",
            b"application/jsonlines",
            b"*/*",
            b"text/*",
            b";q=",
            b"0.5",
            b"1",
            b",",
            b";",
        ]
    )
    | st.binary(max_size=5),
    max_size=8,
).map(b"".join)


def _changed(body: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for position, length, token in changes:
        start = position % (len(body) + 1)
        body = body[:start] + token + body[start + length :]
    return body


def check_body(kind: Kind, body: bytes) -> bool:
    """Read a body in every way there is. True if it is a good one; AssertionError if anything is wrong with that."""
    quickly = ENCODER.instances(body, MAX_ROWS) if kind == "json" else None
    try:
        values, rows = read_rows(kind, body, ENCODER, MAX_ROWS)
    except Problem as problem:
        check_refusal(problem)
        assert quickly is None, "rows are read quickly and refused with care"
        return False
    matrix = array("d", values)
    assert 1 <= rows <= MAX_ROWS and len(matrix) == rows * len(NAMES)
    if quickly is not None:
        carefully = ENCODER.encode(msgspec.json.decode(body)["instances"])
        assert repr(quickly) == repr(list(carefully)) == repr(values)
    for number in matrix:
        assert number != number or abs(number) <= sys.float_info.max
    masked = array("d", read_rows(kind, MASK.masked(kind, body, ENCODER.names), ENCODER, MAX_ROWS)[0])
    for position, name in enumerate(NAMES):
        column = matrix[position :: len(NAMES)]
        wanted = array("d", [float("nan")] * rows) if name in ("airline", "temp") else column
        assert repr(wanted) == repr(masked[position :: len(NAMES)]), "the mask and the reader disagree"
    return True


def check_refusal(problem: Problem) -> None:
    """A refusal must be the client's fault, short, and possible to send."""
    assert problem.status in (400, 406, 413, 415, 422), problem
    assert len(problem.details) <= MAX_DETAILS
    answer = failure(problem, b"id")
    json.loads(answer.body)
    assert len(answer.body) < 20_000


@given(bodies)
def fuzz_body(given_body: tuple[Kind, bytes]) -> None:
    """Any body is read or refused."""
    check_body(*given_body)


@given(headers)
def fuzz_headers(header: bytes) -> None:
    """Any header names a format or is refused."""
    for parse in (request_kind, lambda value: answer_kind(value, "json")):
        try:
            assert parse(header) in ("json", "csv", "npy", "jsonl")
        except Problem as problem:
            check_refusal(problem)


def main() -> int:
    """Run for the time given; 1 when memory grew. A fault ends it with a traceback and the body."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=time.time_ns(), help="of a run to repeat")
    given_arguments = parser.parse_args()
    with contextlib.suppress(ImportError):
        import atheris  # type: ignore[import-not-found, unused-ignore]

        limit = f"-max_total_time={given_arguments.seconds:.0f}"
        atheris.Setup([sys.argv[0], limit], fuzz_body.hypothesis.fuzz_one_input)  # type: ignore[attr-defined]
        atheris.Fuzz()
    return _run(given_arguments.seconds, given_arguments.seed)


def _run(seconds: float, seed: int) -> int:
    """Without guidance the same changes at random are made without Hypothesis, which is thirty times as many."""
    random = Random(seed)
    start = time.monotonic()
    count = good = warm = 0
    while (passed := time.monotonic() - start) < seconds:
        for _ in range(1000):
            kind, body = random.choice(SEEDS)
            changes = [
                (random.randrange(600), random.choice((0, 0, 1, 4, 12)), random.choice(TOKENS))
                for _ in range(random.choice((0, 1, 1, 1, 2, 4)))
            ]
            body = _changed(body, changes)
            try:
                good += check_body(kind, body)
            except BaseException:
                print(f"seed {seed}, body {count}: {kind} {body!r}", file=sys.stderr)
                raise
            count += 1
        if not warm and passed > seconds / 5:
            warm = _resident()
    grown = (_resident() - warm) >> 20 if warm else 0
    print(f"seed {seed}: {count} bodies, {good} of them good, no fault; memory grew by {grown} MiB")
    return 1 if grown > 32 else 0


def _resident() -> int:
    """Bytes of this process in memory; 0 where that cannot be told."""
    path = Path("/proc/self/statm")
    return int(path.read_text().split()[1]) * 4096 if path.exists() else 0


if __name__ == "__main__":
    sys.exit(main())
