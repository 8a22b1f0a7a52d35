"""The reference of the command line, from the commands' own help: the greater part of docs/cli.md."""

from __future__ import annotations

import click

from shipway.cli.group import Group
from shipway.cli.main import shipway

_HEAD = """# The command line

Made by `python -m tests.cli.make_reference > docs/cli.md`; a test compares.
"""
_WIDTH = 100


def reference() -> str:
    """Every command under its heading."""
    top = click.Context(shipway, info_name="shipway", terminal_width=_WIDTH, **shipway.context_settings)
    sections = [_HEAD, _block(top)]
    assert isinstance(shipway, Group)
    for heading, commands in shipway.sections.items():
        sections.append(f"## {heading}\n")
        for command in commands:
            sections += _command(command, top)
    return "\n".join(sections)


def _command(command: click.Command, parent: click.Context) -> list[str]:
    context = click.Context(command, parent=parent, info_name=command.name, terminal_width=_WIDTH)
    parts = [f"### {context.command_path}\n", _block(context)]
    if isinstance(command, Group):
        for inner in command.commands.values():
            parts += _command(inner, context)
    return parts


def _block(context: click.Context) -> str:
    return f"```text\n{context.get_help()}\n```\n"
