"""The section `apps:` of shipway.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipway.core.description.device_app import BundleGuard, BundleRollout, DeviceApp
from shipway.core.errors import UsageError
from shipway.description.reader import parse

MANUAL = (Path(__file__).parents[2] / "shipway.yaml").read_text()
DESCRIPTION = """
app: shop
services:
  web: {path: web, command: run, routes: [/*], openapi: openapi.json}
  updates: {path: updates, command: run}
apps:
  phone:
    path: phone
    build: npm run build
    updates: updates
    KEYS
environments:
  prod: {branch: main, port: 8080, tasks: {min: 1, max: 1}, rollout: {strategy: rolling}}
"""


def described(keys: str) -> DeviceApp:
    app = parse(DESCRIPTION.replace("KEYS", keys)).device_app
    assert app is not None
    return app[1]


def test_the_manual_describes_an_app() -> None:
    """What the manual calls defaults are the defaults."""
    found = parse(MANUAL).apps["mobile-app"]
    assert (BundleRollout(), BundleGuard()) == (found.rollout, found.rollout.guard)
    assert DeviceApp(path="mobile-app", build="npm run build", updates="app-updates").bucket == found.bucket


def test_what_it_calls_says_what_it_answers() -> None:
    """An app may name the operations that it uses, and those that it does without."""
    found = described("calls: {web: {document: api.json, operations: [GET /a, GET /b], optional: [GET /b]}}")
    assert (("GET /a", "GET /b"), ("GET /b",)) == (found.calls["web"].operations, found.calls["web"].optional)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("calls: {shop: {document: a}}", "no service 'shop'; allowed: web, updates"),
        ("calls: {updates: {document: a}}", "updates does not say what it answers"),
        ("calls: {web: {document: ../a}}", "does not lie inside the app's folder"),
        ("calls: {web: {document: a, operations: [a]}}", "'a' is no operation such as POST /api/predict"),
        ("bundle: /dist", "does not lie inside the app's folder"),
        ("test: npm test && true", "&&"),
        ("rollout: {steps: [5%, 1%]}", "steps must grow"),
        ("rollout: {steps: [100%]}", "between 0% and 100%"),
        ("rollout: {step_wait: 31d}", "allowed: 0 to 2.592e"),
        ("rollouts: {}", "unknown key; allowed: path, build, test"),
    ],
)
def test_mistakes_are_told(keys: str, message: str) -> None:
    """What does not fit is said, with what is allowed."""
    with pytest.raises(UsageError) as raised:
        described(keys)
    assert message in raised.value.what


def test_there_is_one_app_at_most() -> None:
    """An environment offers the bundles of one app."""
    with pytest.raises(UsageError, match=r"1 entries at most|at most 1"):
        parse(DESCRIPTION.replace("    KEYS", "").replace("apps:", "apps:\n  other: {path: o, build: x, updates: web}"))
