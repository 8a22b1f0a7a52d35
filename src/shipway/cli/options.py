"""The options that several commands share: the same name and the same meaning everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
Decorator = Callable[[Command], Command]


def as_json() -> Decorator[Command]:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")


def environment(*, required: bool = False, help: str) -> Decorator[Command]:
    """`--env`."""
    return click.option("--env", "environment", metavar="ENV", required=required, help=help)


def environments(help: str) -> Decorator[Command]:
    """`--env`, which may be given several times."""
    return click.option("--env", "environments", metavar="ENV", multiple=True, help=help)


def why() -> Decorator[Command]:
    """`--why`."""
    return click.option("--why", default="", metavar="TEXT", help="The reason, for the audit log.")


def yes() -> Decorator[Command]:
    """`--yes`."""
    return click.option("--yes", is_flag=True, help="Do not ask. Without a terminal nothing is asked.")


def detach() -> Decorator[Command]:
    """`--detach`."""
    return click.option("--detach", is_flag=True, help="Do not follow the run: print its number and return.")


def lines(default: int) -> Decorator[Command]:
    """`--lines`."""
    return click.option(
        "--lines", type=click.IntRange(1, 10_000), default=default, show_default=True, metavar="N", help="How many."
    )
