"""Reading the wanted version."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_model_service.versions.parameter import ParameterError, parameter_at


def test_a_replaced_file_is_read_again(tmp_path: Path) -> None:
    """The version follows the file through atomic replacement."""
    path = tmp_path / "model version"
    path.write_text("v1.0\n")
    parameter = parameter_at(path.as_uri())
    assert "v1.0" == parameter.read()
    beside = tmp_path / "beside"
    beside.write_text("v1.1")
    beside.replace(path)
    assert "v1.1" == parameter.read()


def test_a_file_that_comes_back_is_read(tmp_path: Path) -> None:
    """A file that cannot be read is an error now and is tried again at the next read."""
    path = tmp_path / "version"
    parameter = parameter_at(path.as_uri())
    with pytest.raises(ParameterError, match="No such file"):
        parameter.read()
    path.write_text("v2.0")
    assert "v2.0" == parameter.read()


@pytest.mark.parametrize(
    "url", ["v1.0", "/a/path", "http://host/x", "file://host/x", "ssm:/model", "ssm://host/x", "s3://models"]
)
def test_other_addresses_are_refused(url: str) -> None:
    """An address of another kind is an error that says what is allowed."""
    with pytest.raises(ParameterError, match="allowed is file:///"):
        parameter_at(url)
