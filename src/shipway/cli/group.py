"""A group of commands whose help stands under headings, and that knows what was probably meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click


class Group(click.Group):
    """A click group. `sections` is a heading → names of commands, in the order of the help."""

    sections: Mapping[str, Sequence[str]] = {}

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is named. Raises UsageError with the nearest name for an unknown one."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(name, self.commands, n=1)
            meant = f"did you mean `{ctx.command_path} {near[0]}`?" if near else f"see `{ctx.command_path} --help`"
            raise click.UsageError(f"no command {name!r}; {meant}", ctx)
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of the help."""
        return [name for names in self.sections.values() for name in names] or list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One list of commands for each heading."""
        wide = max(len(name) for name in self.commands)
        for heading, names in (self.sections or {"Commands": self.list_commands(ctx)}).items():
            with formatter.section(heading):
                limit = formatter.width - 6 - wide
                rows = [(name.ljust(wide), self.commands[name].get_short_help_str(limit)) for name in names]
                formatter.write_dl(rows)
