"""`train report | bias`, `model card`: what is known of a training or a version, as text and as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from shipway.cli import options
from shipway.cli.client.protocol import Client
from shipway.cli.here import client as client_here
from shipway.cli.pages import page_option, write_page
from shipway.cli.render.reports import page_lines
from shipway.cli.terminal import say, say_json, tell

LENGTHY = 900.0
"""Seconds that a command waits for a page: the first one makes an environment."""


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


def _show(answer: dict[str, Any], page: Path | None, as_json: bool) -> int:
    if page is not None:
        write_page(page, answer["html"])
    if as_json:
        say_json(answer["page"])
    else:
        say(page_lines(answer["page"]))
    return 0
