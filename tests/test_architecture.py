"""docs/architecture.md says who may import whom: the very layers that `make check` holds."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
LAYERS = {contract["containers"][0]: contract for contract in CONTRACTS if contract["type"] == "layers"}


@pytest.mark.parametrize("container", LAYERS)
def test_the_page_and_the_contract_agree(container: str) -> None:
    """Line by line, from above to below."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    shown = re.search(rf"```layers of {re.escape(container)}\n(.*?)\n```", page, re.DOTALL)
    assert shown is not None
    assert LAYERS[container]["layers"] == shown[1].splitlines()


@pytest.mark.parametrize("container", LAYERS)
def test_no_room_is_left_out(container: str) -> None:
    """Whoever adds one has to say where it stands."""
    assert LAYERS[container]["exhaustive"]
