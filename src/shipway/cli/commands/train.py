"""`train`, `train runs | show | compare | report | bias | export`: train the app's model anew, and see what came of it."""

from __future__ import annotations

import time
from pathlib import Path

import click

from shipway.cli import options
from shipway.cli.commands.export import export
from shipway.cli.commands.reports import ask_page, bias, report
from shipway.cli.follow import hand_over
from shipway.cli.group import Group
from shipway.cli.here import client as client_here
from shipway.cli.pages import page_option, write_page
from shipway.cli.render.training import comparison_lines, training_lines, training_table
from shipway.cli.terminal import say, say_json


@click.group(cls=Group, invoke_without_command=True)
@click.option("--from", "begin", metavar="MONTH", help="First month to learn from; default: as shipway.yaml says.")
@click.option(
    "--until", "end", metavar="MONTH", help="The month to test on, and not to learn from; default: the newest."
)
@click.option("--commit", metavar="COMMIT", help="Whose program and shipway.yaml; default: the branch checked out.")
@click.option(
    "--tune",
    "trials",
    type=click.IntRange(0, 10_000),
    metavar="N",
    help="Search for better parameters first, by so many trials; default: as shipway.yaml says.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    metavar="N",
    help="So many trials at a time. With more than one, another search would make other trials.",
)
@click.option("--resume", metavar="RUN", help="Go on with a training that ended: what is done is not repeated.")
@options.why()
@options.detach()
@options.as_json()
@click.pass_context
def train(
    context: click.Context, begin: str | None, end: str | None, commit: str | None, trials: int | None,
    jobs: int | None, resume: str | None, why: str, detach: bool, as_json: bool,
) -> int:  # fmt: skip
    """Train the app's model anew.

    Prepares the data, trains, and compares with the version that new releases take, on the month that neither learned
    from. A model that is surely better, and within the limits of `model.training.gate`, becomes a new version, which
    waits for approval. Exit code 3: the gate said refuse, no evidence, or hold.
    """
    if context.invoked_subcommand is not None:
        return 0
    if resume is not None and any(one is not None for one in (begin, end, commit, trials, jobs)):
        raise click.UsageError(
            "--resume goes without --from, --until, --commit, --tune and --jobs: it repeats the run's"
        )
    client = client_here()
    if resume is not None:
        run = client.post("trainings", resume, "resume")
    else:
        run = client.post("trainings", begin=begin, end=end, commit=commit, why=why, trials=trials, jobs=jobs)
    return hand_over(client, run, detach=detach, as_json=as_json)


@train.command()
@options.lines(20)
@options.as_json()
def runs(lines: int, as_json: bool) -> int:
    """List the trainings, the newest first."""
    answer = client_here().get("trainings", limit=min(lines, 1000))
    if as_json:
        say_json(answer)
    else:
        say(training_table(answer["trainings"], time.time()))
    return 0


@train.command()
@click.argument("id", metavar="RUN")
@options.as_json()
def show(id: str, as_json: bool) -> int:
    """Show a training: verdict, reasons, figures, steps."""
    answer = client_here().get("trainings", id)
    if as_json:
        say_json(answer)
    else:
        say(training_lines(answer))
    return 0


@train.command()
@click.argument("a", metavar="RUN")
@click.argument("b", metavar="OTHER")
@page_option()
@options.as_json()
def compare(a: str, b: str, page: Path | None, as_json: bool) -> int:
    """Compare two trainings: windows, verdicts, figures, steps that they share.

    With --html also as a page, for which both must have ended.
    """
    client = client_here()
    if page is not None:
        write_page(page, ask_page(client, "trainings", a, "compare", b)["html"])
    both = client.get("trainings", a), client.get("trainings", b)
    if as_json:
        say_json({"a": both[0], "b": both[1]})
    else:
        say(comparison_lines(*both))
    return 0


train.add_command(report)
train.add_command(bias)
train.add_command(export)
