"""One row, read the fast way, against every slower way to the same model: accepted, refused and answered alike."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conftest import CHARACTERS, Publish
from ml_model_service.app import App
from ml_model_service.contract.wanted import Wanted
from ml_model_service.http.messages import Answer, Later, Request
from ml_model_service.settings import Settings
from ml_model_service.versions.model import load
from ml_model_service.versions.reload import Served

pytestmark = pytest.mark.slow

Ask = Callable[[str, str], tuple[int, Any]]
NAMES = ("airline", "origin", "temp", "minute")
# as they stand in JSON, or pretend to
TOKENS = [
    *("null", "true", "false", "0", "-0", "-0.0", "7", "71.5", "1e2", "1E+2", "-50", "150", "1439", "1439.0000000001"),
    *("150.00000000000001", "150.0000000000001", "-1e-320", "5e-324", "1e-400", "1e308", "1e999", "-1e999", "9" * 400),
    *(
        "9007199254740993",
        "18446744073709551616",
        "NaN",
        "Infinity",
        "-Infinity",
        "nan",
        "01",
        "+1",
        ".5",
        "1.",
        "0x10",
    ),
    *('""', '"AA"', '"B6"', '"UA"', '"aa"', '"EWR"', '"JFK"', '" JFK"', '"\\u004aFK"', '"\\ud83d\\ude00"', '"\\ud800"'),
    *('"1"', '"null"', '"NaN"', '"A\\u0000A"', "[]", "{}", "[1]", '{"a": 1}', "undefined", "'AA'", "[" * 60 + "]" * 60),
]
GOOD = {
    "airline": ["null", '"AA"', '"ZZ"', '""', '"\\u0041A"'],
    "origin": ['"EWR"', '"JFK"', '"\\u004aFK"'],
    "temp": ["null", "0", "-0.0", "71.5", "1e2", "150", "-50", "5e-324"],
    "minute": ["0", "480", "1439", "1e3", "0.1", "-0"],
}
_values = {
    name: st.sampled_from(GOOD[name]) | st.sampled_from(GOOD[name]) | st.sampled_from(TOKENS) | st.floats().map(repr)
    for name in NAMES
}
_keys = st.sampled_from(['"airline"', '"\\u0061irline"', '"temp"', '"gate"', '""', '"Temp"', "temp", '"te\\u006dp"'])


@st.composite
def rows(draw: st.DrawFn) -> str:
    """The text of an object that is a good row, or nearly one: keys in any order, missing, twice or unknown."""
    names = draw(st.permutations(NAMES))
    fields = [(f'"{name}"', draw(_values[name])) for name in names]
    change = draw(st.integers(0, 5))
    if change == 0:
        fields.pop()
    elif change == 1:
        fields.append((draw(_keys), draw(st.sampled_from(TOKENS))))
    elif change == 2:
        fields.append((json.dumps(draw(st.text(CHARACTERS, max_size=4))), "1"))
    elif change == 3:
        fields.insert(0, (fields[-1][0], draw(st.sampled_from(TOKENS))))
    gap = draw(st.sampled_from(["", " ", "\n\t"]))
    return "{" + f",{gap}".join(f"{key}:{gap}{value}" for key, value in fields) + gap + "}"


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory, publish: Publish) -> Iterator[Ask]:
    """Asks the service's own code, without a socket: `ask(body, content_type)` gives status and content."""
    model = load(publish(Path(tmp_path_factory.mktemp("bucket")), "v1.0"))
    served = Served()
    served.take(Wanted("v1.0"), {"v1.0": model})
    app = App(Settings(), served, None)
    with asyncio.Runner() as runner:

        async def answer(request: Request) -> Answer:
            reply = app(request)
            if isinstance(reply, Later):
                later: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
                reply.deliver = later.set_result
                return await later
            return reply if isinstance(reply, Answer) else await reply

        def ask(body: str, content_type: str) -> tuple[int, Any]:
            data = body.encode("utf-8", "surrogatepass")
            headers = {b"content-type": content_type.encode(), b"x-request-id": b"id"}
            found = runner.run(answer(Request(b"POST", b"/predict", headers, data, 0.0)))
            return found.status, json.loads(found.body)

        yield ask
    app.close()


def outcome(answer: tuple[int, Any], path: str = "instances") -> Any:
    """What an answer says of its first row, however the way there calls it."""
    status, content = answer
    if status == 200:
        return status, content["model_version"], content["predictions"][0]
    error = content["error"]
    if status == 400:
        return status, error["code"]
    assert status == 422, content
    first = f"{path}[0]"
    details = [
        (detail["path"].removeprefix(first), detail.get("found"), detail["allowed"])
        for detail in error["details"]
        if detail["path"].startswith(first)
    ]
    assert details, "it names neither row nor field"
    return status, details


@given(rows())
@settings(max_examples=400)
@example('{"airline": "AA", "origin": "JFK", "temp": 1, "minute": 2}')
@example('{"airline": "AA", "origin": "JFK", "temp": 1, "temp": "hot", "minute": 2}')
@example('{"airline": "AA", "origin": "JFK", "temp": "hot", "temp": 1, "minute": 2}')
@example('{"airline": "AA", "origin": "JFK", "temp": 1, "minute": 1e999}')
@example('{"airline": "AA", "origin": "JFK", "temp": NaN, "minute": 2}')
@example('{"airline": "\\ud800", "origin": "JFK", "temp": 1, "minute": 2}')
def test_a_row_is_taken_alike_alone_and_among_others(ask: Ask, row: str) -> None:
    """The way that is fast for one row, the general one, the one for large bodies and other envelopes agree."""
    alone = f'{{"instances": [{row}]}}'
    json_type = "application/json"
    fast = outcome(ask(alone, json_type))
    general = outcome(ask(alone, "application/json; charset=utf-8"))
    large = outcome(ask(alone + " " * 70_000, json_type))
    two = ask(f'{{"instances": [{row}, {row}]}}', json_type)
    records = outcome(ask(f'{{"dataframe_records": [{row}]}}', json_type), "dataframe_records")
    assert [fast] * 4 == [general, large, outcome(two), records]
    if two[0] == 200:
        assert two[1]["predictions"] == [fast[2]] * 2
