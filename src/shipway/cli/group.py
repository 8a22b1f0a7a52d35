"""A group of commands whose help stands under headings, and that knows what was probably meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import click

_HARMLESS = frozenset(
    {
        *("status", "runs", "run", "show", "list", "follow", "releases", "logs", "audit", "validate", "doctor"),
        *("compare", "report", "bias", "card"),
    }
)
"""Commands that only look. Whoever mistypes one that decides something is not led to another one that does."""


class Group(click.Group):
    """A click group. `sections` is a heading → its commands; without any, all stand under one heading."""

    def __init__(self, *args: Any, sections: Mapping[str, Sequence[click.Command]] | None = None, **more: Any) -> None:
        super().__init__(*args, **more)
        self._sections = sections or {}
        for commands in self._sections.values():
            for command in commands:
                self.add_command(command)

    @property
    def sections(self) -> Mapping[str, Sequence[click.Command]]:
        """A heading → its commands, in the order of the help."""
        return self._sections or {"Commands": list(self.commands.values())}

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is named. Raises UsageError with the nearest name for an unknown one."""
        name = args[0]
        if name not in self.commands and not name.startswith("-"):
            near = get_close_matches(name, [known for known in self.commands if known in _HARMLESS], n=1, cutoff=0.75)
            meant = f"; did you mean `{ctx.command_path} {near[0]}`?" if near else ""
            raise click.UsageError(f"no command {name!r}{meant}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """One list of commands for each heading."""
        wide = max(len(name) for name in self.commands)
        for heading, commands in self.sections.items():
            with formatter.section(heading):
                limit = formatter.width - 6 - wide
                rows = [(f"{command.name:{wide}}", command.get_short_help_str(limit)) for command in commands]
                formatter.write_dl(rows)
