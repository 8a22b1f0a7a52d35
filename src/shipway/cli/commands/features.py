"""`features list | put | get | delete | join | compact`: records of the feature store, and their history."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import click

from shipway.cli import options
from shipway.cli.group import Group
from shipway.cli.here import client as client_here
from shipway.cli.render.features import compacted_lines, group_table, joined_lines, put_line, record_lines
from shipway.cli.terminal import confirm, say, say_json, tell
from shipway.core.errors import UsageError
from shipway.core.features import LARGEST, MOST_AT_ONCE

LENGTHY = 1900.0
"""Seconds that a command waits for many rows, or for the program's environment to be made."""
_WHERE = "The environment whose services read them."
Json = dict[str, Any]


@click.group(cls=Group)
def features() -> None:
    """Records of the feature store: what is known now, for models to be asked with.

    Groups are declared in shipway.yaml under `features:`. Of each record the newest is online, by its event time.
    """


@features.command(name="list")
@options.environment(required=True, help=_WHERE)
@options.as_json()
def list_groups(environment: str, as_json: bool) -> int:
    """List the groups, and how many records each has online."""
    answer = client_here().get("environments", environment, "features")
    if as_json:
        say_json(answer)
    else:
        say(group_table(answer["groups"]))
    return 0


@features.command()
@click.argument("group")
@click.argument("values", nargs=-1, metavar="[FEATURE=VALUE]...")
@options.environment(required=True, help=_WHERE)
@click.option("--from-file", "file", type=click.Path(path_type=Path), metavar="FILE", help="Records as JSON lines.")
@options.as_json()
def put(group: str, values: tuple[str, ...], environment: str, file: Path | None, as_json: bool) -> int:
    """Put a record, or as many as a file has lines.

    `shipway features put weather airport=JFK at=2013-07-04T11:00:00Z hour=2013-07-04T07:00 temp=75 --env dev`; or with
    `--from-file records.jsonl`, an object a line. A record replaces the one before as a whole: what it leaves out is
    null. One that is older by its event time than what is online goes into the history alone, and is said to.
    """
    if (file is None) == (not values):
        raise click.UsageError("give a record's values, FEATURE=VALUE, or --from-file FILE")
    client = client_here()
    records = iter([_record(values)]) if file is None else _lines(file)
    total: Json = {"environment": environment, "group": group, "kept": 0, "older": []}
    while batch := list(islice(records, MOST_AT_ONCE)):
        answer = client.post("environments", environment, "features", group, records=batch)
        total["kept"] += answer["kept"]
        total["older"] += answer["older"]
    if as_json:
        say_json(total)
    else:
        say(put_line(total))
    return 0


@features.command()
@click.argument("group")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@options.environment(required=True, help=_WHERE)
@click.option("--feature", "names", multiple=True, metavar="NAME", help="Only this one. May be given several times.")
@options.as_json()
def get(group: str, ids: tuple[str, ...], environment: str, names: tuple[str, ...], as_json: bool) -> int:
    """Show records that are online, as services read them now."""
    client = client_here()
    answer = client.post("environments", environment, "features", group, "get", ids=list(ids), names=list(names))
    if as_json:
        say_json(answer)
    else:
        say(record_lines(answer["records"], ids))
    return 0


@features.command()
@click.argument("group")
@click.argument("id")
@options.environment(required=True, help=_WHERE)
@click.option("--at", required=True, metavar="TIME", help="Later than the record's event time: 2013-07-04T12:15:00Z.")
@click.option("--hard", is_flag=True, help="Forget that there was one, so that older records may come back.")
@options.yes()
@options.as_json()
def delete(group: str, id: str, environment: str, *, at: str, hard: bool, yes: bool, as_json: bool) -> int:
    """Delete a record that is older than a moment."""
    client = client_here()
    confirm(f"Delete {group} {id} in {environment}?", yes)
    answer = client.post("environments", environment, "features", group, "delete", id=id, at=at, hard=hard)
    if as_json:
        say_json(answer)
    else:
        say(f"✔ {group} {id} is deleted in {environment}")
    return 0


@features.command()
@click.argument("rows", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@options.environment(required=True, help=_WHERE)
@click.option(
    "--group", "groups", multiple=True, required=True, metavar="GROUP[=COLUMN]",
    help="A group, and the rows' column of its ids, if that is called otherwise. May be given several times.",
)  # fmt: skip
@click.option("--time", required=True, metavar="COLUMN", help="The rows' column of times.")
@click.option("--written", default="row", metavar="row|any|TIME", help="Which records count, by when they were put.")
@options.as_json()
def join(
    rows: Path, output: Path, environment: str, groups: tuple[str, ...], time: str, written: str, *, as_json: bool
) -> int:
    """Write rows with what groups knew at each row's time, and nothing from after it.

    `shipway features join flights.csv out.parquet --env prod --group airport=origin --group weather=origin --time at`:
    CSV or Parquet by the files' names. One row for each, in order; features are called GROUP.FEATURE. By `--written row`
    a record counts from when it was put; `any` takes what was put afterwards, such as records of years ago; a moment
    takes the history as it was then.
    """
    client = client_here()
    keys = _keys(groups, client.get("environments", environment, "features")["groups"])
    tell("  · joining; a first time makes an environment for the program, which takes a minute")
    given = {"rows": str(rows.absolute()), "output": str(output.absolute()), "time": time, "written": written}
    answer = client.post("environments", environment, "feature-history", "join", timeout=LENGTHY, keys=keys, **given)
    if as_json:
        say_json(answer)
    else:
        say(joined_lines(answer))
    return 0


@features.command()
@options.environment(required=True, help=_WHERE)
@options.as_json()
def compact(environment: str, as_json: bool) -> int:
    """Take what was put since the last time into the history's files.

    The daemon does so by itself where much was put, and so does `join`.
    """
    tell("  · a first time makes an environment for the program, which takes a minute")
    answer = client_here().post("environments", environment, "feature-history", "compact", timeout=LENGTHY)
    if as_json:
        say_json(answer)
    else:
        say(compacted_lines(answer))
    return 0


def _keys(given: Iterable[str], groups: Iterable[Json]) -> dict[str, str]:
    """For each group the rows' column of its ids: by default it is called as the group's own."""
    own = {shown["name"]: shown["group"]["record_id"] for shown in groups}
    named = [text.partition("=") for text in given]
    return {group: column or own.get(group, "") for group, _, column in named}


def _record(values: Iterable[str]) -> Json:
    pairs = [value.partition("=") for value in values]
    if wrong := [name for name, equals, _ in pairs if not equals]:
        raise UsageError(f"{wrong[0]!r} has no value", fix="write FEATURE=VALUE")
    return {name: value for name, _, value in pairs}


def _lines(file: Path) -> Iterator[Json]:
    try:
        with sys.stdin.buffer if str(file) == "-" else file.open("rb") as opened:
            number = 0
            while line := opened.readline(LARGEST + 1):
                number += 1
                if line.strip():
                    yield _object(line, f"{file}:{number}")
    except OSError as error:
        raise UsageError(f"--from-file: {file}: {error.strerror}", fix="name a file that you may read") from error


def _object(line: bytes, where: str) -> Json:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: not JSON, or longer than {LARGEST:,} bytes") from error
    if not isinstance(found, dict):
        raise UsageError(f'{where}: expected an object, such as {{"airport": "JFK", …}}')
    return found
