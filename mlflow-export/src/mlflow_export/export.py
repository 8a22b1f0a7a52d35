"""One training run, written to MLflow so that writing it again changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from mlflow.entities import Experiment, Metric, Param, RunTag
from mlflow.entities import Run as TheirRun
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from mlflow_export.run import EXPORTED, KEY, Run

SQLITE = "sqlite:///"
_BATCH = 100
_T = TypeVar("_T")


class Refused(Exception):
    """What cannot be exported as things are there, and what to do."""


def export(to: str, run: Run) -> dict[str, str]:
    """Write the run to the tracking URI `to`; what it is there, and whether it is `new`, `completed` or was `there`.

    Raises Refused, MlflowException, SQLAlchemyError, OSError.
    """
    client = MlflowClient(tracking_uri=to)
    experiment = _experiment(client, to, run.experiment)
    found = client.search_runs([experiment.experiment_id], f"tags.`{KEY}` = '{run.key}'", max_results=1)
    their = found[0] if found else None
    if their is not None and their.data.tags.get(EXPORTED) == run.digest:
        outcome = "there"
    else:
        outcome = "completed" if their is not None else "new"
        their = _written(client, experiment, their, run)
    return {"experiment": experiment.experiment_id, "run_id": their.info.run_id, "outcome": outcome}


def _experiment(client: MlflowClient, to: str, name: str) -> Experiment:
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            client.create_experiment(name, artifact_location=_artifacts(to, name))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another export made it meanwhile
                raise
        found = client.get_experiment_by_name(name)
    if found is None:
        raise Refused(f"the experiment {name} went away while it was made")
    if found.lifecycle_stage != "active":
        raise Refused(f"the experiment {name} was deleted there: mlflow experiments restore -x {found.experiment_id}")
    return found


def _artifacts(to: str, name: str) -> str | None:
    """Where artifacts lie: a server says so itself; those of a file lie beside it, from wherever it is opened."""
    if not to.startswith(SQLITE):
        return None
    return (Path(to.removeprefix(SQLITE)).absolute().parent / "mlartifacts" / name).as_uri()


def _written(client: MlflowClient, experiment: Experiment, their: TheirRun | None, run: Run) -> TheirRun:
    """Everything again, where an export was cut off in the middle; the mark that it is whole comes last."""
    begun, ended = round(run.begun * 1000), round(run.ended * 1000)
    if their is None:
        mark = {KEY: run.key}
        their = client.create_run(experiment.experiment_id, start_time=begun, tags=mark, run_name=run.name)
    id = their.info.run_id
    known = their.data.params
    parameters = [Param(name, value) for name, value in run.own_parameters.items() if name not in known]
    # of the same moment and value it is the same point, however often it is written
    metrics = [Metric(name, value, ended, 0) for name, value in run.own_metrics.items()]
    for params in _batches(parameters):
        client.log_batch(id, params=params)
    for points in _batches(metrics):
        client.log_batch(id, metrics=points)
    for tags in _batches(RunTag(name, value) for name, value in run.own_tags.items()):
        client.log_batch(id, tags=tags)
    _write_artifacts(client, id, run)
    client.set_terminated(id, status=run.status, end_time=ended)
    client.set_tag(id, EXPORTED, run.digest)
    return their


def _write_artifacts(client: MlflowClient, id: str, run: Run) -> None:
    with TemporaryDirectory(prefix="mlflow-export-") as folder:
        for path, text in run.texts.items():
            file = Path(folder, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            client.log_artifact(id, str(file), _parent(path))
    for path, file_here in run.files.items():
        client.log_artifact(id, file_here, _parent(path))


def _parent(path: str) -> str | None:
    """The folder of an artifact; None for the top."""
    return path.rpartition("/")[0] or None


def _batches(items: Iterable[_T]) -> Iterator[list[_T]]:
    left = iter(items)
    while some := list(islice(left, _BATCH)):
        yield some
