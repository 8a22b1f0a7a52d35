"""Commands don't know on which target they are."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipway import wiring

SOURCE = Path(wiring.__file__).parents[1]
MODULES = sorted(file for room in ("cli", "server") for file in (SOURCE / room).rglob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_no_command_names_a_target(module: Path) -> None:
    """Neither as a text that it could compare with, nor by importing it."""
    assert [] == [name for name in _names(module) if name in wiring.TARGETS]


def test_the_search_finds_what_it_looks_for(tmp_path: Path) -> None:
    """In a comparison, in a set, in both kinds of imports."""
    module = tmp_path / "module.py"
    module.write_text(
        'import shipway.aws\nfrom shipway.local import daemon\nif target == "aws" or target in {"local"}:\n    pass\n'
    )
    assert ["aws", "local", "aws", "local"] == [name for name in _names(module) if name in wiring.TARGETS]


def _names(module: Path) -> Iterator[str]:
    """Every text that is a single word, and every part of a module that is imported."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (part for alias in node.names for part in alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            yield from [*(node.module or "").split("."), *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
