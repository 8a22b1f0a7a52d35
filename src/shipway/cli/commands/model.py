"""`model …`: the group of commands about model versions."""

from __future__ import annotations

import click

from shipway.cli.commands import experiments, model_life, models, reports
from shipway.cli.group import Group

SECTIONS = {
    "Versions": (
        models.publish,
        models.list_versions,
        models.show,
        models.history,
        models.compare,
        reports.card,
        models.bake,
    ),
    "Decide": (model_life.approve, model_life.reject, model_life.archive),
    "Serve": (model_life.promote, model_life.rollback),
    "Experiments": (experiments.split, experiments.shadow),
}


@click.group(cls=Group, sections=SECTIONS)
def model() -> None:
    """Model versions: publish, compare, decide, promote, rollback, split, shadow."""
