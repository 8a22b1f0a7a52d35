"""The order of version names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.core.contract.version import next_version, sort_key, variant_name

NUMBERS = st.tuples(st.integers(0, 999_999), st.integers(0, 999_998))


@given(st.lists(NUMBERS, min_size=1))
def test_versions_sort_by_number(numbers: list[tuple[int, int]]) -> None:
    """v1.10 comes after v1.9."""
    names = [f"v{major}.{minor}" for major, minor in numbers]
    assert [f"v{major}.{minor}" for major, minor in sorted(numbers)] == sorted(names, key=sort_key)


@given(st.lists(NUMBERS, max_size=20))
def test_the_next_version_comes_after_all(numbers: list[tuple[int, int]]) -> None:
    """The next version is new and sorts last, whatever is there."""
    names = [f"v{major}.{minor}" for major, minor in numbers]
    assert all(sort_key(name) < sort_key(next_version(names)) for name in names)


@given(st.text(max_size=10))
def test_only_one_way_to_write_a_version(name: str) -> None:
    """What is accepted as a version name is the canonical writing of its numbers."""
    try:
        major, minor = sort_key(name)
    except ValueError:
        return
    assert f"v{major}.{minor}" == name


@pytest.mark.parametrize("name", ["v1", "1.0", "v1.0\n", "v01.0", "v1.00", "v1.0.0", "V1.0", "v-1.0", "v١.٠", ""])
def test_other_names_are_errors(name: str) -> None:
    """Names that look like versions but are not are told."""
    with pytest.raises(ValueError, match="is not a model version such as"):
        sort_key(name)


def test_a_variant_is_named_as_sagemaker_allows() -> None:
    """Letters, digits and dashes."""
    assert "v12-34" == variant_name("v12.34")
