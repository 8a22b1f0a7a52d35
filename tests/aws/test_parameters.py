"""Parameter Store (moto)."""

from shipway.aws.calls import Calls
from shipway.aws.parameters import Parameters


def test_a_parameter_keeps_every_version(calls: Calls):
    calls.call("ssm", "put_parameter", Name="/a/dev/model-version", Value="none", Type="String")
    parameters = Parameters(calls)
    assert 2 == parameters.put("/a/dev/model-version", "v1.0")
    found = parameters.get("/a/dev/model-version")
    assert found is not None
    assert ("v1.0", 2) == (found.value, found.version)
    assert [("v1.0", 2), ("none", 1)] == [(old.value, old.version) for old in parameters.history(found.name)]


def test_a_missing_parameter_is_none_and_has_no_history(calls: Calls):
    assert Parameters(calls).get("/a/dev/nothing") is None
    assert () == Parameters(calls).history("/a/dev/nothing")
