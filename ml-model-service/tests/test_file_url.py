"""The paths that Shipway names, and those that libraries encode."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_model_service.file_url import path_in


@pytest.mark.parametrize("name", ["plain", "a b", "ü", "100%20", "a%2Fb", "x?y#z"])
def test_a_path_is_found_as_it_stands_and_encoded(tmp_path: Path, name: str) -> None:
    """Whichever way it is written, it is the file whose folder is there."""
    file = tmp_path / name / "parameter"
    file.parent.mkdir()
    assert [file, file] == [path_in(f"file://{file}"), path_in(file.as_uri())]


@pytest.mark.parametrize("url", ["ftp://x", "file://elsewhere/x", "/x", "file:x", ""])
def test_other_addresses_name_no_path(url: str) -> None:
    """Another scheme, another machine, or no URL at all."""
    assert path_in(url) is None
