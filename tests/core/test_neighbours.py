"""What the tests of the rules rest on."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

FILES = sorted(Path(__file__).parent.rglob("*.py"))


def imported(file: Path) -> set[str]:
    """The modules that a file names in its imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_the_tests_of_core_need_no_folder_but_src(file: Path) -> None:
    """They import the core, each other, and what is installed: no other part of the repository, and no other layer."""
    others = {
        name
        for name in imported(file)
        if name.split(".")[0]
        not in {*sys.stdlib_module_names, "pytest", "hypothesis", "jsonschema_rs", "pydantic", "xxhash"}
        and not name.startswith(("shipway.core", "tests.core."))
    }
    assert (set(), False) == (others, "importlib" in imported(file))
