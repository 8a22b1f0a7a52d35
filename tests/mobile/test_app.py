"""The mobile app holds its own checks and works in a browser against router, backend and model service."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.mobile.app import MOBILE, ROOT, App, other_nodes, tools, version
from tests.mobile.conftest import Behind

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
VITES_OLDEST_NODE = (20, 19)
WORKFLOW = ".github/workflows/build.yml"


def test_checks(app: App) -> None:
    """Types fit, versions are exact, each Ionic package is there once, and the native version is that of its parts."""
    app.npm("run", "check")


def test_units(app: App) -> None:
    """The app's rules and services do what their tests say."""
    app.npm("test")


def test_in_a_browser(app: App, bundle: str, behind: Behind) -> None:
    """The app asks, waits, recovers and is accessible, in Chromium, through router, backend and model service."""
    if CHROMIUM is None:
        pytest.skip("no Chromium: install your system's package, or name one in CHROMIUM")
    print(
        app.npm(
            "run",
            "test:browser",
            BACKEND_URL=behind.address,
            MODEL_PROCESS=str(behind.model.process.pid),
            APP_PORT=str(behind.app_port),
            CHROMIUM=CHROMIUM,
        )
    )


def test_same_bundle_elsewhere(app: App, bundle: str, tmp_path: Path) -> None:
    """The same files give the same bundle in another folder and under another Node, byte for byte."""
    with app.copied(tmp_path / "another" / "place") as copy:
        assert bundle == copy.build()
        for node in other_nodes(app.node, VITES_OLDEST_NODE):
            shutil.rmtree(copy.folder / "dist")
            copy.run([str(node), "node_modules/vite/bin/vite.js", "build"])
            assert bundle == copy.digest(), f"{node}, {version(node)}"


def test_native_projects(app: App, bundle: str, tmp_path: Path) -> None:
    """Both native projects are made and synchronised, each environment's shell with an id of its own."""
    native = json.loads((MOBILE / "native.json").read_text())
    with app.copied(tmp_path / "app") as copy:
        copy.build()
        capacitor = [str(copy.node.program), "node_modules/@capacitor/cli/bin/capacitor"]
        for platform, config in (
            ("android", "android/app/src/main/assets/capacitor.config.json"),
            ("ios", "ios/App/App/capacitor.config.json"),
        ):
            copy.run([*capacitor, "add", platform], APP_ENVIRONMENT="stage")
            copy.run([*capacitor, "sync", platform], APP_ENVIRONMENT="stage")
            assert "com.example.ontime.stage" == json.loads((copy.folder / config).read_text())["appId"]
        assert [] == [path for folder in ("android", "ios") for path in (copy.folder / folder).rglob("*.map")]
        copy.npm("run", "native", "stamp")
        assert f"versionCode {native['build']}\n" in (copy.folder / "android/app/build.gradle").read_text()
        project = (copy.folder / "ios/App/App.xcodeproj/project.pbxproj").read_text()
        assert {native["version"]} == set(re.findall(r"MARKETING_VERSION = (.*);", project))


def test_workflow(app: App) -> None:
    """The workflow of GitHub Actions has no fault that its linter knows."""
    app.run([str(tools() / "bin" / "actionlint"), WORKFLOW])


def test_workflow_at_the_root() -> None:
    """GitHub reads workflows at a repository's root alone: the one there is the app's, for the app's folder."""
    own = (MOBILE / WORKFLOW).read_text()
    assert (
        own.replace("\n  APP: .\n", "\n  APP: mobile-app\n") == (ROOT / ".github/workflows/mobile-app.yml").read_text()
    )


def test_actions_are_pinned() -> None:
    """Every action is named by a digest, and what pull requests run reads no secret."""
    text = (MOBILE / WORKFLOW).read_text()
    used = re.findall(r"uses: (.*)", text)
    assert len(used) > 10
    assert used == [action for action in used if re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", action)]
    jobs = yaml.safe_load(text)["jobs"]
    guarded = {name for name, job in jobs.items() if "github.event_name == 'push'" in job.get("if", "")}
    secretive = {name for name, job in jobs.items() if "secrets." in str(job) or "id-token" in str(job)}
    assert {"testers", "store-android", "store-ios"} == secretive == guarded
