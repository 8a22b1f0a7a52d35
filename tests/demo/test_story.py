"""Reading a story: strict, with errors that name the place."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipway.core.errors import UsageError
from shipway.demo.story import STORY, Story, read_story

CHECKOUT = Path(__file__).parents[2]


def _committed() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load((CHECKOUT / STORY).read_text())
    return data


def _errors(tmp_path: Path, data: object) -> str:
    (tmp_path / "demo").mkdir(exist_ok=True)
    (tmp_path / STORY).write_text(yaml.safe_dump(data))
    with pytest.raises(UsageError) as raised:
        read_story(tmp_path)
    return raised.value.what


def test_the_committed_story_is_right() -> None:
    """The example app's own story can be read, and plays every scene that the demo promises."""
    story = read_story(CHECKOUT)
    assert ["promoted", "promoted", "rolled_back", "rolled_back", *["promoted"] * 4] == [
        step.ends for step in story.steps
    ]
    assert [2] == [n for n, step in enumerate(story.steps) if step.candidate_may_fail]
    assert [6] == [n for n, step in enumerate(story.steps) if step.kill_daemon]
    assert {1: "out", 5: "back"} == {n: step.bundle for n, step in enumerate(story.steps) if step.bundle}
    assert story.steps[-1].rollback


def test_the_commits_fit_the_app_one_after_the_other(tmp_path: Path) -> None:
    """Every patch of the story applies to the app in this checkout; those that are rolled back are taken back.

    A reader who committed one by hand, as the README shows, has it already: it is taken out first.
    """
    story = read_story(CHECKOUT)
    touched = _touched(story)
    for name in touched:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((CHECKOUT / name).read_bytes())
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    for step in reversed(story.steps):
        if step.patch and _fits(tmp_path, step.patch, "--reverse"):
            _apply(tmp_path, step.patch, "--reverse")
    for step in story.steps:
        if step.patch:
            _apply(tmp_path, step.patch)
            if step.is_reverted:
                _apply(tmp_path, step.patch, "--reverse")
    assert any((tmp_path / name).read_bytes() != (CHECKOUT / name).read_bytes() for name in touched)


def _touched(story: Story) -> set[str]:
    lines = [
        line for step in story.steps if step.patch for line in (CHECKOUT / "demo" / step.patch).read_text().splitlines()
    ]
    return {line.removeprefix("--- a/") for line in lines if line.startswith("--- a/")}


def _fits(folder: Path, patch: str, *options: str) -> bool:
    words = ["git", "apply", "--recount", "--check", *options, str(CHECKOUT / "demo" / patch)]
    return subprocess.run(words, cwd=folder, capture_output=True, check=False).returncode == 0


def _apply(folder: Path, patch: str, *options: str) -> None:
    words = ["git", "apply", "--recount", *options, str(CHECKOUT / "demo" / patch)]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr), patch


def test_no_story_says_where_it_was_looked_for(tmp_path: Path) -> None:
    """A checkout without a story is a usage error."""
    with pytest.raises(UsageError, match=r"no demo/story\.yaml in"):
        read_story(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "demo/story.yaml: colour: Extra inputs are not permitted"),
        ({"copy": ["/etc"]}, "demo/story.yaml: copy.0: expected a path inside the repository"),
        ({"copy": ["a/../../b"]}, "demo/story.yaml: copy.0: expected a path inside the repository"),
        ({"load": {"rate": 0}}, "demo/story.yaml: load.rate: Input should be greater than 0"),
        ({"request": {"path": "predict"}}, "path: expected a path such as /api/predict"),
        ({"request": {"path": "/", "verb": "GET"}}, "unknown key 'verb'; allowed: bodies, expect, method, path"),
        (
            {"request": {"path": "/", "expect": {"x": "text"}}},
            "expect.x: found 'text'; allowed: string, number, boolean",
        ),
    ],
)
def test_mistakes_are_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    """A mistake is told with its place."""
    assert message in _errors(tmp_path, _committed() | change)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({}, "steps.1: needs a patch or a model, or is a rollback"),
        ({"rollback": True, "model": "v1.1"}, "a step has a patch or a model or is a rollback, one of them"),
        ({"rollback": True, "bundle": "back"}, "bundle belongs to a step with a patch"),
        ({"model": "v9.9"}, "steps.1.model: no version 'v9.9'; allowed: v1.0, v1.1"),
        ({"model": "v1.1", "patch": "x", "commit": "y"}, "a step has a patch or a model or is a rollback, one of them"),
        ({"patch": "x"}, "patch and commit belong together"),
        ({"model": "v1.1", "candidate_may_fail": True}, "candidate_may_fail belongs to a step that ends rolled_back"),
        ({"model": "v1.1", "name": "first release"}, "every name occurs once"),
    ],
)
def test_steps_that_make_no_sense_are_named(tmp_path: Path, step: dict[str, Any], message: str) -> None:
    """A step does one thing that there is."""
    data = _committed()
    data["steps"] = [data["steps"][0], {"name": "second", "tell": "…", **step}]
    assert message in _errors(tmp_path, data)


def test_broken_yaml_is_a_usage_error(tmp_path: Path) -> None:
    """What is no YAML at all is told with its line."""
    (tmp_path / "demo").mkdir()
    (tmp_path / STORY).write_text("title: [")
    with pytest.raises(UsageError, match="line 1"):
        read_story(tmp_path)
