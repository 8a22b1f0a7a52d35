"""`train report | bias`, `model card`: what is known of a training or a version, as text and as a page."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from shipway.cli import options
from shipway.cli.client.protocol import Client
from shipway.cli.here import client as client_here
from shipway.cli.render.reports import page_lines
from shipway.cli.terminal import say, say_json, tell
from shipway.core.errors import UsageError, explained

LENGTHY = 900.0
"""Seconds that a command waits for a page: the first one makes an environment."""


def page_option() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--html`."""
    return click.option(
        "--html",
        "page",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Write it there as a page, too: one file, without network and scripts.",
    )


@click.command()
@click.argument("id", metavar="RUN")
@page_option()
@options.as_json()
def report(id: str, page: Path | None, as_json: bool) -> int:
    """Report on a training that has ended.

    What the gate said and why, challenger beside champion on the same rows, the search, bias, and why each step ran.
    """
    return _show(ask_page(client_here(), "trainings", id, "report"), page, as_json)


@click.command()
@click.argument("id", metavar="RUN")
@page_option()
@options.as_json()
def bias(id: str, page: Path | None, as_json: bool) -> int:
    """Report on the bias that a training found, in full.

    Every metric of every group with its bounds, and which are worse than those of the champion's training.
    """
    return _show(ask_page(client_here(), "trainings", id, "bias"), page, as_json)


@click.command()
@click.argument("version")
@page_option()
@options.as_json()
def card(version: str, page: Path | None, as_json: bool) -> int:
    """Show a version's card: what it is for people outside.

    Who approved it, how good it was, where it comes from, what its training found, where it served, what it is asked.
    """
    return _show(ask_page(client_here(), "models", version, "card"), page, as_json)


def ask_page(client: Client, *segments: str) -> dict[str, Any]:
    """The report, as data and as HTML."""
    tell("  · making the report; a first time makes an environment for its program, which takes a minute")
    return client.get(*segments, timeout=LENGTHY)


def write_page(page: Path, answer: dict[str, Any]) -> None:
    """Write the report's HTML, whole or not at all. Raises UsageError where the file can't be."""
    new = page.with_name(f".{page.name}.{os.getpid()}.new")
    try:
        new.write_text(answer["html"], encoding="utf-8")
        new.replace(page)
    except FileNotFoundError:
        raise UsageError(f"{page} can't be written: its folder is not there", fix=f"mkdir -p {page.parent}") from None
    except PermissionError as error:
        fix = f"name a file in a folder of yours: --html ~/{page.name}"
        raise UsageError(f"{page} can't be written: {error.strerror}", fix=fix) from None
    except OSError as error:
        raise explained(error) from error
    finally:
        new.unlink(missing_ok=True)
    tell(f"  ✔ wrote {page}")


def _show(answer: dict[str, Any], page: Path | None, as_json: bool) -> int:
    if page is not None:
        write_page(page, answer)
    if as_json:
        say_json(answer["page"])
    else:
        say(page_lines(answer["page"]))
    return 0
