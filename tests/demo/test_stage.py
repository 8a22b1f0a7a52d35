"""The throwaway folder: what is copied, what is rewritten, that nothing is left."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from shipway.core.errors import ShipwayError
from shipway.demo.stage import Stage
from shipway.demo.story import Story

DESCRIPTION = {
    "app": "tiny",
    "services": {"web": {"path": "web", "command": "x"}},
    "environments": {
        "dev": {"branch": "develop", "port": 8081, "https_port": 8441},
        "prod": {"branch": "main", "port": 8080, "rollout": {"strategy": "canary", "steps": ["5%"], "bake": "5s"}},
    },
}


def _story(**change: Any) -> Story:
    data = {
        "title": "Tiny",
        "copy": ["shipway.yaml", "web"],
        "leave_out": ["*.md"],
        "environment": "prod",
        "request": {"path": "/"},
        "settings": {"environments": {"prod": {"rollout": {"steps": ["10%"]}}}},
        "training": {"folder": "web", "lock": "web/lock", "versions": {"v1.0": "x"}},
        "steps": [{"name": "first", "tell": "…"}],
    }
    return Story.model_validate(data | change)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "web").mkdir(parents=True)
    (folder / "other").mkdir()
    (folder / "shipway.yaml").write_text(yaml.safe_dump(DESCRIPTION))
    for name in ("web/tracked.py", "web/README.md", "web/deleted.py", "other/tracked.py"):
        (folder / name).write_text("committed")
    (folder / ".gitignore").write_text("*.pyc\n.shipway/\n")
    _git(folder, "init", "--quiet")
    _git(folder, "add", "--all")
    (folder / "web" / "tracked.py").write_text("changed since")
    (folder / "web" / "deleted.py").unlink()
    (folder / "web" / "new.py").write_text("new")
    (folder / "web" / "ignored.pyc").write_text("ignored")
    return folder


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage.make()
    yield stage
    if stage.folder.exists():
        stage.description = {}
        stage.clear()


def _git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def test_the_app_is_copied_as_it_lies_there(checkout: Path, stage: Stage) -> None:
    """Uncommitted changes come along; what is ignored, deleted, left out or not named does not. All is committed."""
    stage.copy_app(checkout, _story())
    assert ["shipway.yaml", "web/new.py", "web/tracked.py"] == _git(stage.app, "ls-files").split()
    assert "changed since" == (stage.app / "web" / "tracked.py").read_text()
    assert ("main\n", "") == (_git(stage.app, "branch", "--show-current"), _git(stage.app, "status", "--porcelain"))


def test_ports_are_free_ones_and_settings_are_laid_over(checkout: Path, stage: Stage) -> None:
    """The copy's shipway.yaml has ports of its own and the story's settings; the rest stays."""
    stage.copy_app(checkout, _story())
    environments = yaml.safe_load((stage.app / "shipway.yaml").read_text())["environments"]
    ports = [environments["dev"]["port"], environments["dev"]["https_port"], environments["prod"]["port"]]
    assert 3 == len(set(ports) - {8080, 8081, 8441})
    for port in ports:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
    assert {"strategy": "canary", "steps": ["10%"], "bake": "5s"} == environments["prod"]["rollout"]
    assert f"http://127.0.0.1:{ports[2]}" == stage.url("prod")


def test_patches_become_commits_and_are_taken_back(checkout: Path, stage: Stage, tmp_path: Path) -> None:
    """A patch is committed under its subject; taking it back is a commit as well."""
    stage.copy_app(checkout, _story())
    patch = tmp_path / "one.patch"
    patch.write_text("--- a/web/new.py\n+++ b/web/new.py\n@@ -1 +1 @@\n-new\n\\ No newline at end of file\n+newer\n")
    stage.apply(patch, "Make it newer")
    assert "newer\n" == (stage.app / "web" / "new.py").read_text()
    stage.revert()
    assert "new" == (stage.app / "web" / "new.py").read_text()
    assert ['Revert "Make it newer"', "Make it newer", "The app as it is"] == _git(
        stage.app, "log", "--format=%s"
    ).splitlines()


def test_a_patch_that_does_not_fit_is_told(checkout: Path, stage: Stage, tmp_path: Path) -> None:
    """A patch for another state of the app stops the story, with git's own words."""
    stage.copy_app(checkout, _story())
    patch = tmp_path / "one.patch"
    patch.write_text("--- a/web/new.py\n+++ b/web/new.py\n@@ -1 +1 @@\n-old\n+newer\n")
    with pytest.raises(ShipwayError, match="patch does not apply"):
        stage.apply(patch, "x")


def test_a_copy_of_nothing_is_told(checkout: Path, stage: Stage) -> None:
    """A story that names what the checkout does not have stops at once."""
    with pytest.raises(ShipwayError, match="nothing of elsewhere lies in"):
        stage.copy_app(checkout, _story(copy=["elsewhere"]))


def test_nothing_is_left(stage: Stage) -> None:
    """Processes that work in the folder are killed and named; read-only folders go as well."""
    (stage.app / "sealed").mkdir(parents=True)
    (stage.app / "sealed" / "file").touch()
    (stage.app / "sealed").chmod(0o500)
    words = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(words, cwd=stage.app) as process:
        left = stage.clear(patience=0.1)
        process.wait(timeout=5)
    assert [True] == [line.startswith(f"{process.pid} ") for line in left]
    assert not stage.folder.exists()
    assert not psutil.pid_exists(process.pid)
