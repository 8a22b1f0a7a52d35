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
from shipway.demo.leftovers import Leftover, leftovers
from shipway.demo.sandbox import Stage
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
        stage.clear()


def test_a_folder_is_a_leftover_once_its_player_is_gone(stage: Stage) -> None:
    """While it plays it is nobody's business; kept or killed, it is found with what runs in it."""
    assert [] == [left for left in leftovers() if left.folder == stage.folder]
    words = [
        sys.executable,
        "-c",
        "import pathlib, sys; from shipway.demo import leftovers as l; l.sign(pathlib.Path(sys.argv[1]))",
    ]
    subprocess.run([*words, str(stage.folder)], check=True)
    assert [Leftover(stage.folder, 0, kept=False)] == [left for left in leftovers() if left.folder == stage.folder]


def _git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def test_the_app_is_copied_as_it_lies_there(checkout: Path, stage: Stage) -> None:
    """Uncommitted changes come along; what is ignored, deleted, left out or not named does not. All is committed."""
    stage.copy_app(checkout, _story())
    assert ["shipway.yaml", "web/new.py", "web/tracked.py"] == _git(stage.app, "ls-files").split()
    assert "changed since" == (stage.app / "web" / "tracked.py").read_text()
    assert ("main\n", "") == (_git(stage.app, "branch", "--show-current"), _git(stage.app, "status", "--porcelain"))


def test_links_are_copied_as_links(checkout: Path, stage: Stage) -> None:
    """A service's links to folders that it includes lead into the copies of these."""
    (checkout / "web" / "shared").symlink_to("../other")
    stage.copy_app(checkout, _story(copy=["shipway.yaml", "web", "other"]))
    assert "../other" == str((stage.app / "web" / "shared").readlink())
    assert "committed" == (stage.app / "web" / "shared" / "tracked.py").read_text()
    assert "web/shared" in _git(stage.app, "ls-files").split()


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


def test_an_app_for_devices_comes_along_where_its_folder_does(checkout: Path, stage: Stage) -> None:
    """One whose folder is not copied is left out of the copy's shipway.yaml; a story may bring its own."""
    phone = {"path": "other", "build": "x", "updates": "web"}
    (checkout / "shipway.yaml").write_text(yaml.safe_dump(DESCRIPTION | {"apps": {"phone": phone}}))
    stage.copy_app(checkout, _story())
    assert "apps" not in stage.description
    another = Stage(stage.folder / "another")
    another.copy_app(checkout, _story(settings={"apps": {"small": phone | {"path": "web"}}}))
    assert ["small"] == list(another.description["apps"])


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


def _patch(old: str, new: str) -> str:
    return f"--- a/web/tracked.py\n+++ b/web/tracked.py\n@@ -1 +1 @@\n-{old}\n+{new}\n"


def _commit(folder: Path, text: str) -> str:
    (folder / "web" / "tracked.py").write_text(text)
    _git(folder, "add", "--all")
    _git(folder, "-c", "user.name=T", "-c", "user.email=t@example.org", "commit", "--quiet", "--message", text)
    return _git(folder, "rev-parse", "HEAD").strip()


PATCHED = {
    "steps": [
        {"name": "first", "tell": "…"},
        {"name": "good", "tell": "…", "patch": "good.patch", "commit": "x"},
        {"name": "bad", "tell": "…", "patch": "bad.patch", "commit": "x", "ends": "rolled_back"},
        {"name": "next", "tell": "…", "patch": "next.patch", "commit": "x"},
    ]
}


@pytest.fixture
def patched(checkout: Path) -> Path:
    """A checkout at `one`, with patches one → two → three, and a bad one that is taken out again."""
    (checkout / "demo").mkdir()
    for name, old, new in (("good", "one", "two"), ("bad", "two", "broken"), ("next", "two", "three")):
        (checkout / "demo" / f"{name}.patch").write_text(_patch(old, new))
    _commit(checkout, "one\n")
    return checkout


def test_the_story_plays_on_the_app_as_it_lies_there_when_its_patches_fit(patched: Path, stage: Stage) -> None:
    """Patches of steps that roll back need not fit one another, and other changes come along."""
    (patched / "web" / "new.py").write_text("newer")
    assert stage.copy_app(patched, _story(**PATCHED)) is None
    assert "newer" == (stage.app / "web" / "new.py").read_text()


@pytest.mark.parametrize("later", [["two\n"], ["two\n", "four\n"], ["two\n", "uncommitted\n"]])
def test_the_story_plays_on_the_newest_commit_that_its_patches_fit(
    patched: Path, stage: Stage, later: list[str]
) -> None:
    """Somebody committed the story's own first patch, or changed the same lines otherwise: an older commit serves."""
    fitting = _git(patched, "rev-parse", "HEAD").strip()
    for text in later:
        if text == "uncommitted\n":
            (patched / "web" / "tracked.py").write_text(text)
        else:
            _commit(patched, text)
    assert fitting == stage.copy_app(patched, _story(**PATCHED))
    assert "one\n" == (stage.app / "web" / "tracked.py").read_text()
    assert ["shipway.yaml", "web/new.py", "web/tracked.py"] == _git(stage.app, "ls-files").split()


def test_a_patch_that_fits_no_commit_is_told_before_anything_starts(patched: Path, stage: Stage) -> None:
    """Which patch it is, and what to do."""
    (patched / "demo" / "next.patch").write_text(_patch("never", "there"))
    with pytest.raises(ShipwayError, match=r"demo/next\.patch does not fit the app") as raised:
        stage.copy_app(patched, _story(**PATCHED))
    assert "nothing was started" == raised.value.state


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
        process.wait(timeout=60)
    assert [True] == [line.startswith(f"{process.pid} ") for line in left]
    assert not stage.folder.exists()
    assert not psutil.pid_exists(process.pid)
