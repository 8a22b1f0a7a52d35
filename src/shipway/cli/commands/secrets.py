"""`secrets set | list | unset`: values that services get as environment variables."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from shipway.cli import options
from shipway.cli.group import Group
from shipway.cli.here import client as client_here
from shipway.cli.render.secrets import change_lines, secret_table
from shipway.cli.terminal import confirm, say, say_json
from shipway.core.errors import UsageError
from shipway.core.secrets.secret import LARGEST

_WHERE = "The environment whose tasks get it."
_MOST = LARGEST + 3
"""Bytes to read: so many tell that a value is too large, even with an end of line that is not part of it."""


@click.group(cls=Group)
def secrets() -> None:
    """Values that services get as environment variables, and that stand in no file.

    A service names its secrets in shipway.yaml: `secrets: [MAPS_API_KEY]`. Each environment has values of its own. They
    are never shown again: there is no command that prints one.
    """


@secrets.command(name="set")
@click.argument("name")
@options.environment(required=True, help=_WHERE)
@click.option("--from-file", "file", type=click.Path(path_type=Path), metavar="FILE", help="Take all of a file.")
@options.why()
@options.as_json()
def set_secret(name: str, environment: str, file: Path | None, why: str, as_json: bool) -> int:
    """Give a secret a value, or another one.

    The value comes from standard input, less one newline at its end; on a terminal it is asked for and not shown.
    `shipway secrets set MAPS_API_KEY --env prod < key.txt`. Text in UTF-8, 64 KiB at most. Tasks that are started from
    now on get it; those that run keep the former one. Logs show *** in its place where a line of a task holds it,
    unless it is shorter than 8 characters.
    """
    client = client_here()
    value = _from_file(file) if file is not None else _from_input(name)
    change = client.post("environments", environment, "secrets", name, value=value, why=why)
    if as_json:
        say_json(change)
    else:
        say(change_lines(change, "set"))
    return 0


@secrets.command(name="list")
@options.environment(required=True, help=_WHERE)
@options.as_json()
def list_secrets(environment: str, as_json: bool) -> int:
    """List the secrets of an environment, never their values.

    Which have a value and since when, and which services name them.
    """
    answer = client_here().get("environments", environment, "secrets")
    if as_json:
        say_json(answer)
    else:
        say(secret_table(answer["secrets"], environment, time.time()))
    return 0


@secrets.command()
@click.argument("name")
@options.environment(required=True, help=_WHERE)
@options.why()
@options.yes()
@options.as_json()
def unset(name: str, environment: str, why: str, yes: bool, as_json: bool) -> int:
    """Forget a secret's value.

    Refused while a service names it, in shipway.yaml or in a release that runs: its tasks could not be started again.
    """
    client = client_here()
    confirm(f"Forget the value of {name} in {environment}? It cannot be had back.", yes)
    change = client.post("environments", environment, "secrets", name, "unset", why=why)
    if as_json:
        say_json(change)
    else:
        say(change_lines(change, "unset"))
    return 0


def _from_file(file: Path) -> str:
    """All of it, a newline at its end as well."""
    try:
        with file.open("rb") as opened:
            return _text(opened.read(_MOST))
    except OSError as error:
        raise UsageError(f"--from-file: {file}: {error.strerror}", fix="name a file that you may read") from error


def _from_input(name: str) -> str:
    """Less one newline at its end, which `echo` and editors add."""
    if sys.stdin.isatty():
        return str(click.prompt(f"Value of {name} (not shown)", hide_input=True, err=True))
    return _text(sys.stdin.buffer.read(_MOST)).removesuffix("\n").removesuffix("\r")


def _text(read: bytes) -> str:
    if len(read) == _MOST:
        raise UsageError(f"the value has more than {LARGEST:,} bytes", fix="keep what is larger in a file of its own")
    try:
        return read.decode()
    except UnicodeDecodeError as error:
        # Not in the error's own words, which quote one of its bytes.
        raise UsageError("the value is no text in UTF-8", fix="encode it as base64") from error
