"""What a call of a verb says, and which verb it finds."""

from __future__ import annotations

import pytest

from shipway.core.errors import UsageError
from shipway.server.verbs.call import Call, Verbs
from shipway.server.verbs.table import find


@pytest.mark.parametrize(("body", "expected"), [({}, None), ({"commit": None}, None), ({"commit": ""}, "")])
def test_an_empty_text_is_not_an_absent_one(body: dict[str, object], expected: str | None) -> None:
    """A script with an unset variable asks for nothing by name, which is not the same as leaving the choice open."""
    assert expected == Call("ann", {}, {}, body).text("commit")


TABLE: Verbs = {
    (method, path): lambda call, name=f"{method} {path}": {"verb": name, **call.parts}  # type: ignore[misc]
    for method, path in (("POST", "/v1/models/rollback"), ("GET", "/v1/models/{a}"), ("POST", "/v1/models/{a}/bake"))
}


@pytest.mark.parametrize(
    ("method", "segments", "expected"),
    [
        ("POST", ["models", "rollback"], {"verb": "POST /v1/models/rollback"}),
        ("GET", ["models", "rollback"], {"verb": "GET /v1/models/{a}", "a": "rollback"}),
        ("POST", ["models", "../?é", "bake"], {"verb": "POST /v1/models/{a}/bake", "a": "../?é"}),
    ],
)
def test_a_verb_is_found_by_its_path(method: str, segments: list[str], expected: dict[str, str]) -> None:
    """Whatever a person types as a name stays one part of the path."""
    verb, parts = find(TABLE, method, segments)
    assert expected == verb(Call("ann", parts, {}, {}))


@pytest.mark.parametrize("segments", [[], ["models"], ["models", "a", "b"], ["runs"]])
def test_what_a_desk_does_not_have_is_usage(segments: list[str]) -> None:
    """A command that needs a daemon says so where there is none."""
    with pytest.raises(UsageError, match="only a daemon answers that"):
        find(TABLE, "POST", segments)
