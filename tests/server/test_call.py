"""What a request to the API says."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from shipway.server.call import Call


@pytest.mark.parametrize(("body", "expected"), [({}, None), ({"commit": None}, None), ({"commit": ""}, "")])
def test_an_empty_text_is_not_an_absent_one(body: dict[str, object], expected: str | None) -> None:
    """A script with an unset variable asks for nothing by name, which is not the same as leaving the choice open."""
    call = Call(Request({"type": "http", "headers": []}), body)
    assert expected == call.text("commit")
