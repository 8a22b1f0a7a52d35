"""The reference, and every command that the product tells people to type."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from shipway.cli.main import shipway
from shipway.cli.reference import reference
from tests.cli.make_reference import whole

ROOT = Path(__file__).resolve().parents[2]


def _commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")


COMMANDS = dict(_commands(shipway, "shipway"))


@pytest.mark.lengthy
def test_the_page_is_the_commands_own_help_and_what_they_call() -> None:
    """docs/cli.md is made anew with `python -m tests.cli.make_reference > docs/cli.md`."""
    assert whole() == (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_is_documented(path: str) -> None:
    """It stands in the reference, says what it does in one short line, and explains each option."""
    command = COMMANDS[path]
    assert f"### {path}\n" in reference()
    assert not command.get_short_help_str(80).endswith("...")
    assert [] == [option.name for option in command.params if isinstance(option, click.Option) and not option.help]


def test_one_nesting_level_at_most() -> None:
    """`shipway model list`, and nothing deeper."""
    assert {2, 3} == {len(path.split()) for path in COMMANDS}


def test_the_same_option_means_the_same_everywhere() -> None:
    """`--yes`, `--why`, `--json`, `--detach` and `--lines` have one kind of value each."""
    kinds: dict[str, set[bool]] = {}
    for command in COMMANDS.values():
        for option in command.params:
            if isinstance(option, click.Option):
                kinds.setdefault(option.opts[-1], set()).add(option.is_flag)
    assert [] == [name for name, found in kinds.items() if len(found) > 1]


def test_what_people_are_told_to_type_exists() -> None:
    """Every command in an error, a hint or a docstring is one that this command line knows, with its options."""
    wrong = []
    for source in (ROOT / "src" / "shipway").rglob("*.py"):
        for typed in _told(source):
            words = typed.split()
            command = COMMANDS.get(" ".join(words[:3])) or COMMANDS.get(" ".join(words[:2]))
            known = {name for option in command.params for name in option.opts} if command else set()
            if command is None or {word for word in words if word.startswith("--")} - known - {"--help"}:
                wrong.append(f"{source.name}: {typed}")
    assert [] == wrong


def _told(source: Path) -> Iterator[str]:
    """The commands that a module's texts tell people to type: behind a backtick or at a text's beginning."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "VALUE" for part in node.values)
            text = "".join(str(part) for part in parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        yield from re.findall(r"(?:`|^|: )(shipway [a-z][^`;,.\n(…]*)", text)
