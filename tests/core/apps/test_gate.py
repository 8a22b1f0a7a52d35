"""The gate between bundles and APIs."""

from __future__ import annotations

from typing import Any

import pytest

from shipway.core.apps.gate import Api, BundleInUse, CalledApi, misfits, refuse
from shipway.core.errors import Refused


def document(*paths: str, required: tuple[str, ...] = ()) -> dict[str, Any]:
    body = {"type": "object", "properties": {"a": {"type": "string"}}, "required": list(required)}
    operation = {
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"200": {"description": "fine"}},
    }
    return {"openapi": "3.1.0", "paths": {path: {"post": operation} for path in paths}}


def test_what_fits_passes() -> None:
    """The same document, one with more in it, and a service that says nothing of its API."""
    bundle = BundleInUse("1.0.0-aaaaaaaaaaaa", {"web": CalledApi(document("/a")), "other": CalledApi(document("/b"))})
    for api in (document("/a"), document("/a", "/b")):
        assert [] == misfits([bundle], Api("r2", {"web": api}))
    refuse([], "prod")


def test_the_refusal_names_everything() -> None:
    """Operation, field, bundle, devices and release stand in it; five of them are told, the rest is counted."""
    bundle = BundleInUse("1.0.0-aaaaaaaaaaaa", {"web": CalledApi(document("/a"))}, 1200)
    gone = BundleInUse("0.9.0-bbbbbbbbbbbb", {"web": CalledApi(document(*(f"/{n}" for n in range(6))))})
    api = Api("r7", {"web": document("/a", required=("a",))})
    with pytest.raises(Refused) as raised:
        refuse(misfits([bundle, gone], api), "prod")
    assert 3 == raised.value.exit_code
    lines = raised.value.what.splitlines()
    assert (
        "POST /a, body a: it is required, and may be missing (bundle 1.0.0-aaaaaaaaaaaa, on 1,200 devices; web of r7)"
        == lines[1]
    )
    assert "POST /0: the operation is gone (bundle 0.9.0-bbbbbbbbbbbb; web of r7)" == lines[2]
    assert "and 2 more" == lines[-1]


def test_only_what_it_uses_counts() -> None:
    """Other operations may go, and those that it does without."""
    api = Api("r2", {"web": document("/a")})
    used = CalledApi(document("/a", "/b", "/c"), ("POST /a", "POST /b"), ("POST /b",))
    assert [] == misfits([BundleInUse("v", {"web": used})], api)
    found = misfits([BundleInUse("v", {"web": CalledApi(document("/a", "/b"))})], api)
    assert ["POST /b"] == [one.found.operation for one in found]


@pytest.mark.parametrize(
    ("bundle", "api"),
    [
        (document("/a"), {"paths": {"/a": {"post": {"parameters": [{"in": "query"}]}}}}),  # a parameter without a name
        (document("/a"), {"paths": {"/a": {"post": {"requestBody": []}}}}),
        ({"paths": {"/a": {"post": {"responses": 7}}}}, document("/a")),
        ({"paths": {"/a": {"post": {"parameters": [{"$ref": "other.json#/x"}]}}}}, document("/a")),
    ],
)
def test_what_cannot_be_compared_is_refused(bundle: dict[str, Any], api: dict[str, Any]) -> None:
    """A document that is not as OpenAPI has it ends in a refusal that names bundle, service and operation."""
    with pytest.raises(Refused, match=r"bundle 1\.0\.0-aaaaaaaaaaaa can't be held to web of r2: ") as raised:
        misfits([BundleInUse("1.0.0-aaaaaaaaaaaa", {"web": CalledApi(bundle)})], Api("r2", {"web": api}))
    assert raised.value.fix
