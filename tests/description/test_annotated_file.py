"""The committed `shipway.yaml`, which is the manual of its own schema."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from shipway.core.description.app import App, Guard
from shipway.description.reader import load

PATH = Path(__file__).parents[2] / "shipway.yaml"


def _keys(schema: dict[str, Any]) -> set[str]:
    keys = set(schema.get("properties", {}))
    return keys.union(*(_keys(part) for part in schema.get("$defs", {}).values()))


def test_names_every_key() -> None:
    """No key can be added to the schema without appearing in the manual."""
    text = PATH.read_text()
    assert set() == {key for key in _keys(App.model_json_schema()) if not re.search(rf"\b{key}:", text)}


def test_explains_every_key() -> None:
    """A comment stands above every key's first use."""
    lines = PATH.read_text().splitlines()
    bare = set()
    for key in _keys(App.model_json_schema()):
        first = next(n for n, line in enumerate(lines) if re.match(rf"\s*(?:# +|- )?{key}:", line))
        if "#" not in "".join(lines[max(first - 2, 0) : first]):
            bare.add(key)
    assert set() == bare


def test_names_every_default() -> None:
    """What the manual calls the guard's defaults are the defaults, and other defaults stand beside their keys."""
    app = load(PATH)
    assert Guard() == app.environments["prod"].rollout.guard
    text = PATH.read_text()
    assert set() == {
        default
        for default in (
            "/health",
            "60s",
            "30s",
            "requirements.lock",
            "ml-models-bucket",
            "20%",
            "5s",
            "600s",
            "7d",
            "GET",
        )
        if f"Default: {default}" not in text
    }


def test_describes_the_way_to_production() -> None:
    """A push to develop goes to dev by itself; stage and prod come after dev and ask for approval."""
    app = load(PATH)
    assert {
        "dev": ("develop", ("dev",), "rolling", None),
        "stage": ("stage", ("dev", "stage"), "blue_green", ("developer", "tech-lead")),
        "prod": ("main", ("dev", "prod"), "canary", ("security", "tech-lead")),
    } == {
        name: (e.branch, app.path_to(name), e.rollout.strategy, e.approval.roles if e.approval else None)
        for name, e in app.environments.items()
    }


def test_services_are_folders_of_this_repository() -> None:
    """Every service's folder and lock files are there."""
    for service in load(PATH).services.values():
        folder = PATH.parent / service.path
        missing = [
            n for n in (service.lock, service.test_lock) if n not in (None, "none") and not (folder / n).is_file()
        ]
        assert [] == missing, service.path
