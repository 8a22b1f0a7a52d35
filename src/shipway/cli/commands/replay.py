"""`replay`: plays what happened in past months against an environment, through its router."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from shipway.cli import here, options
from shipway.cli.client.protocol import Client, Lost, NotRunning
from shipway.cli.render.replay import replay_lines
from shipway.cli.terminal import confirm, say, say_json, tell
from shipway.core.description import DESCRIPTION
from shipway.core.errors import UsageError
from shipway.core.training.windows import MONTH

if TYPE_CHECKING:
    from shipway.core.description.app import App, Model
    from shipway.replay.calendar import Calendar

PATIENCE = 120.0
"""Seconds for which a daemon may be away."""
_PAUSE = 0.2
FOLDER = "replays"


def _month(_context: click.Context, _option: click.Parameter, text: str) -> str:
    if not MONTH.fullmatch(text):
        raise click.BadParameter(f"{text!r} is no month; give one such as 2013-07")
    return text


def _share(_context: click.Context, _option: click.Parameter, text: str) -> float:
    with suppress(ValueError):
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        if 0 < share <= 1:
            return share
    raise click.BadParameter(f"{text!r} is no share; give one such as 10% or 0.1")


@click.command()
@click.option("--from", "begin", metavar="MONTH", required=True, callback=_month, help="First month, such as 2013-07.")
@click.option("--to", "end", metavar="MONTH", required=True, callback=_month, help="Last month.")
@click.option("--sample", default="100%", metavar="SHARE", callback=_share, show_default=True, help="Of the requests.")
@options.environment(required=False, help="Where; default: prod.")
@click.option("--no-approve", is_flag=True, help="Leave versions that the gate lets through to a person.")
@click.option("--anew", is_flag=True, help="From the beginning, although an earlier one was interrupted.")
@options.yes()
@options.as_json()
def replay(
    begin: str, end: str, sample: float, environment: str | None, *, no_approve: bool, anew: bool, yes: bool,
    as_json: bool,
) -> int:  # fmt: skip
    """Play past months against an environment, and the people beside it.

    The app's program (`model.replay` in shipway.yaml) tells what was asked, known and became true; requests and outcomes
    go through the router, records into the feature store, a month's data into the training's bucket once it is over. At
    each month's end the monitor looks at it; a drift leads to a training, and a version that the gate lets through is
    approved and promoted as a canary, in your name. Each command that this takes is said.

    An interrupted replay goes on where it was, by the same command. Exit code 1: requests failed.
    """
    if begin > end:
        raise click.UsageError(f"--from {begin} is after --to {end}")
    import asyncio  # a fifth of what every other command imports, and of no use to it

    from shipway.replay.calendar import Calendar  # what plays is heavy: only where it is needed

    daemon, root, client = here.daemon(), here.root(), here.client()
    wanted = Calendar(environment or "prod", begin, end, sample)
    app = _described(root, wanted.environment)
    file = Path(daemon.state) / FOLDER / f"{wanted.environment}.json"
    played = _to_play(file, wanted, anew=anew)
    confirm(f"Send requests of {begin} to {end} to {wanted.environment}, and replace its feature records?", yes)
    with TemporaryDirectory(prefix="shipway-replay-") as files:
        asyncio.run(_play(client, root, app, played, file, Path(files), approves=not no_approve, as_json=as_json))
    failed = sum(month.failed for month in played.months)
    if as_json:
        say_json(played.as_json())
    else:
        say(replay_lines(played.as_json()))
    return 1 if failed else 0


async def _play(
    client: Client, root: Path, app: App, played: Calendar, file: Path, files: Path, *, approves: bool, as_json: bool
) -> None:
    import asyncio

    from shipway.replay import calendar as calendars
    from shipway.replay.people import People
    from shipway.replay.play import Stage, play
    from shipway.replay.program import events_of

    model = _model(app)
    assert model.replay is not None
    assert model.training is not None
    routes, show = model.replay, partial(_show, as_json=as_json)
    folder = root / routes.path
    variables = await asyncio.to_thread(here.target().program_variables, folder, routes.lock, show)
    words = [
        *shlex.split(routes.command), "--from", min(played.goes_on_at, played.end), "--to", played.end,
        "--sample", f"{played.sample:g}", "--folder", str(files),
    ]  # fmt: skip
    platform = PatientPlatform(client, played.environment, show)
    people = People(root, played.environment, show, platform.await_daemon)
    url = f"http://127.0.0.1:{app.environments[played.environment].port}"
    data = Path(here.daemon().state) / model.training.data
    save = partial(calendars.save, file)
    stage = Stage(url, routes, files, data, model.training.tables, approves, platform, people, show, save)
    async with events_of(words, folder, variables) as events:
        await play(stage, played, events)


def _to_play(file: Path, wanted: Calendar, *, anew: bool) -> Calendar:
    """An interrupted replay of the same months goes on; what it brought into the bucket is known either way."""
    from shipway.replay.calendar import load

    found = load(file)
    if found is None:
        return wanted
    if found.same(wanted) and not found.is_over and not anew:
        if found.months:
            tell(f"· goes on at {found.goes_on_at}; from the beginning: --anew")
        return found
    wanted.uploaded = found.uploaded
    return wanted


def _described(root: Path, environment: str) -> App:
    from shipway.description.reader import load

    app = load(root / DESCRIPTION)
    if environment not in app.environments:
        raise UsageError(f"no environment {environment!r}", fix=f"allowed: {', '.join(app.environments)}")
    model = _model(app)
    if model.replay is None or model.training is None:
        lacking = "replay" if model.replay is None else "training"
        raise UsageError(
            f"{DESCRIPTION} has no model.{lacking}", fix="describe it; the annotated shipway.yaml documents every key"
        )
    return app


def _model(app: App) -> Model:
    if app.model is None:
        raise UsageError(f"{app.app} has no model: there is nothing to replay", fix="describe it under `model:`")
    return app.model


def _show(line: str, *, as_json: bool) -> None:
    (tell if as_json else say)(line)


class PatientPlatform:
    """`shipway.replay.platform.Platform` over a client: asks again while no daemon answers."""

    def __init__(
        self, client: Client, environment: str, show: Callable[[str], None], patience: float = PATIENCE
    ) -> None:
        self._client = client
        self._environment = environment
        self._show = show
        self._patience = patience

    def await_daemon(self) -> None:
        """Return once a daemon answers. Raises NotRunning or Lost when it stays away."""
        self._patiently(lambda: self._client.get("status"))

    def put(self, group: str, records: Sequence[Mapping[str, Any]]) -> Sequence[str]:
        """The ids of those that are older than what is online."""
        # Put again after an answer that was lost, a record is not older than itself.
        answer = self._patiently(
            lambda: self._client.post("environments", self._environment, "features", group, records=list(records))
        )
        older: Sequence[str] = answer["older"]
        return older

    def forget(self, group: str, id: str) -> None:
        """Delete a record so that older ones may come."""
        where = ("environments", self._environment, "features", group, "delete")
        self._patiently(lambda: self._client.post(*where, id=id, at=f"{time.time():.0f}", hard=True))

    def _patiently(self, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        deadline, told = time.monotonic() + self._patience, False
        while True:
            try:
                return call()
            except (Lost, NotRunning) as error:
                if time.monotonic() > deadline:
                    error.fix = "shipway up --detach, then the same shipway replay: it goes on where it was"
                    raise
                if not told:
                    self._show(f"  · Shipway does not answer; waiting up to {self._patience:.0f} s for it to come back")
                    told = True
            time.sleep(_PAUSE)
