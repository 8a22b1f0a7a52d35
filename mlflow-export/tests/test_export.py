"""A run in a real MLflow: its database, and a tracking server over one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from test_run import RUN

from mlflow_export import export as exporting
from mlflow_export.__main__ import main
from mlflow_export.export import Refused, export
from mlflow_export.run import EXPORTED, KEY

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # the warnings are MLflow's own


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database of MLflow's, in a file."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    return f"sqlite:///{tmp_path_factory.mktemp('tracking') / 'mlflow.db'}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A tracking server that keeps artifacts as well."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    words = [
        *(sys.executable, "-m", "mlflow", "server", "--backend-store-uri", "sqlite:///mlflow.db", "--workers", "1"),
        *("--artifacts-destination", str(folder / "artifacts"), "--host", "127.0.0.1", "--port", str(port)),
        # without its gateway to language models, which wants far more packages
        *("--gunicorn-opts", "--log-level info"),
    ]
    variables = {
        **os.environ,
        "HOME": str(folder),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, cwd=folder, env=variables, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 300
        while not _answers(port):
            assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()


def _answers(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
        return bool(answer.status == 200)
    return False


def _run(tmp_path: Path, key: str):
    model = tmp_path / "model.txt"
    model.write_text("a tree")
    return replace(
        RUN, key=key, files={"model/model.txt": str(model)}, texts={"reports/training.html": "<p>better</p>"}
    )


def _holds(to: str, key: str, tmp_path: Path) -> None:
    """One run has the key, with all that there is of it."""
    client = MlflowClient(tracking_uri=to)
    experiment = client.get_experiment_by_name("ontime")
    (found,) = client.search_runs([experiment.experiment_id], f"tags.`{KEY}` = '{key}'")
    assert {"rounds": "200"} == found.data.params
    assert {"bias.DPPL of carrier_MQ_EV": 0.1} == found.data.metrics
    assert ("FINISHED", 1000, 2000) == (found.info.status, found.info.start_time, found.info.end_time)
    assert ("c1", "better") == (found.data.tags["mlflow.source.git.commit"], found.data.tags["shipway.gate.reasons"])
    for path, text in (("model/model.txt", "a tree"), ("reports/training.html", "<p>better</p>")):
        got = download_artifacts(run_id=found.info.run_id, artifact_path=path, dst_path=str(tmp_path), tracking_uri=to)
        assert text == Path(got).read_text()


def test_a_run_in_a_database(database, tmp_path):
    """Exported twice it is one run, with each point of a metric once."""
    run = _run(tmp_path, "first")
    assert ["new", "there"] == [export(database, run)["outcome"] for _ in range(2)]
    _holds(database, "first", tmp_path)


def test_an_export_that_was_cut_off_goes_on(database, tmp_path, monkeypatch):
    """In the run that it began; only what is whole is believed."""
    run = _run(tmp_path, "second")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(exporting, "_write_artifacts", killed)
        export(database, run)
    assert ["completed", "there"] == [export(database, run)["outcome"] for _ in range(2)]
    _holds(database, "second", tmp_path)
    client = MlflowClient(tracking_uri=database)
    experiment = client.get_experiment_by_name("ontime")
    (found,) = client.search_runs([experiment.experiment_id], f"tags.`{KEY}` = 'second'")
    assert run.digest == found.data.tags[EXPORTED]
    assert 1 == len(client.get_metric_history(found.info.run_id, "bias.DPPL of carrier_MQ_EV"))


def test_two_exports_at_once_make_one_run(database, tmp_path):
    """Started in the same instant by two processes."""
    run = _run(tmp_path, "third")
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
        job = {"to": database, "run": {**_fields(run)}, "lock": str(tmp_path / "lock")}
        (folder / "job.json").write_text(json.dumps(job))
    words = [sys.executable, "-m", "mlflow_export"]
    variables = {**os.environ, "PYTHONPATH": str(Path(exporting.__file__).parent.parent)}
    both = [subprocess.Popen([*words, str(folder)], env=variables) for folder in folders]
    assert [0, 0] == [process.wait(300) for process in both]
    answers = [json.loads((folder / "answer.json").read_bytes()) for folder in folders]
    assert ["new", "there"] == sorted(answer["outcome"] for answer in answers)
    _holds(database, "third", tmp_path)


def _fields(run):
    return {name: getattr(run, name) for name in run.__dataclass_fields__}


def test_a_deleted_experiment_is_said_with_the_way_back(database, tmp_path):
    run = replace(_run(tmp_path, "fourth"), experiment="given up")
    client = MlflowClient(tracking_uri=database)
    export(database, run)
    client.delete_experiment(client.get_experiment_by_name("given up").experiment_id)
    with pytest.raises(Refused, match="was deleted there: mlflow experiments restore -x"):
        export(database, run)


def test_mlflow_itself_refuses_folders(tmp_path, monkeypatch):
    """That is why the command does not take them: were that over, it could."""
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    with pytest.raises(MlflowException, match="maintenance mode"):
        export(f"file:{tmp_path}", _run(tmp_path, "fifth"))


def test_what_mlflow_says_is_answered(tmp_path, monkeypatch):
    """A server that is not there, without minutes of waiting."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    job = {"to": "http://127.0.0.1:9", "run": _fields(RUN), "lock": str(tmp_path / "lock")}
    (tmp_path / "job.json").write_text(json.dumps(job))
    assert 1 == main(tmp_path)
    assert "127.0.0.1" in json.loads((tmp_path / "answer.json").read_bytes())["refused"]


def test_a_run_in_a_tracking_server(server, tmp_path):
    """Its artifacts go through the server as well."""
    run = _run(tmp_path, "served")
    assert ["new", "there"] == [export(server, run)["outcome"] for _ in range(2)]
    _holds(server, "served", tmp_path)
