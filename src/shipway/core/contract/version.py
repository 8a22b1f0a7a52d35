"""Names of model versions, such as `v1.0`."""

from __future__ import annotations

import re
from collections.abc import Iterable

VERSION = re.compile(r"v(?:0|[1-9][0-9]{0,5})\.(?:0|[1-9][0-9]{0,5})")


def sort_key(version: str) -> tuple[int, int]:
    """Numeric order of version names. Raises ValueError for anything else.

    >>> sorted(["v1.10", "v1.9"], key=sort_key)
    ['v1.9', 'v1.10']
    """
    if VERSION.fullmatch(version) is None:
        raise ValueError(f"{version!r} is not a model version such as v1.0")
    major, minor = version[1:].split(".")
    return int(major), int(minor)


def next_version(existing: Iterable[str]) -> str:
    """The next minor version.

    >>> next_version([]), next_version(["v1.0", "v1.9"])
    ('v1.0', 'v1.10')
    """
    keys = [sort_key(version) for version in existing]
    if not keys:
        return "v1.0"
    major, minor = max(keys)
    return f"v{major}.{minor + 1}"


def variant_name(version: str) -> str:
    """The version as SageMaker allows a variant to be called.

    >>> variant_name("v1.2")
    'v1-2'
    """
    return version.replace(".", "-")
