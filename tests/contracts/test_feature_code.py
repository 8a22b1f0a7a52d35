"""The feature code is one: what is built of the backend and of the training holds the same files of it."""

from __future__ import annotations

import json
from pathlib import Path

from shipway.description.reader import parse
from shipway.local.builds.address import address_of
from shipway.local.builds.builder import LocalBuilder
from shipway.local.builds.confinement import Confinement
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.local.source.git_source import GitSource
from shipway.pipeline.training import program_of
from tests.contracts.programs import ROOT

CODE = "src/ontime_features/"


def test_both_artifacts_hold_the_same_feature_code(tmp_path: Path) -> None:
    """Built of the newest commit as its shipway.yaml says: file by file the same digests, and none is missing."""
    source = GitSource(ROOT)
    commit = source.resolve("HEAD")
    app = parse(source.read(commit, "shipway.yaml"))
    assert app.model is not None
    assert app.model.training is not None
    backend = app.services["backend-api"].model_copy(update={"test": None})
    programs = {"backend-api": backend, "training": program_of(app.model.training)}
    environments = PythonEnvironments(ROOT / ".venv" / "parts")
    builder = LocalBuilder(tmp_path, source, environments, Confinement.of_machine(tmp_path))
    code = []
    for name, program in programs.items():
        artifact = builder.build(commit, name, program, lambda line: None)
        files = json.loads(Path(address_of(artifact).tree).with_name("artifact.json").read_bytes())["files"]
        code.append({path: files[path] for path in files if path.startswith(CODE) and path.endswith(".py")})
    assert {f"{CODE}{name}.py" for name in ("__init__", "departures", "observation")} <= code[0].keys()
    assert code[0] == code[1]
