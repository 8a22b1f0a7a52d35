"""The options that several commands share: the same name and the same meaning everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def as_json() -> Decorator:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")


def environment(*, required: bool = False, help: str) -> Decorator:
    """`--env`."""
    return click.option("--env", "environment", metavar="ENV", required=required, help=help)


def environments(help: str) -> Decorator:
    """`--env`, which may be given several times."""
    return click.option("--env", "environments", metavar="ENV", multiple=True, help=help)


def why() -> Decorator:
    """`--why`."""
    return click.option("--why", default="", metavar="TEXT", help="The reason, for the audit log.")


def yes() -> Decorator:
    """`--yes`."""
    return click.option("--yes", is_flag=True, help="Do not ask. Without a terminal nothing is asked.")


def detach() -> Decorator:
    """`--detach`."""
    return click.option("--detach", is_flag=True, help="Do not follow the run: print its number and return.")


def lines(default: int) -> Decorator:
    """`--lines`."""
    return click.option(
        "-n",
        "--lines",
        type=click.IntRange(1, 10_000),
        default=default,
        show_default=True,
        metavar="N",
        help="How many.",
    )
