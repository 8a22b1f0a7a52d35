"""The target AWS is loaded only where it is chosen, and says what it lacks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from shipway import wiring
from shipway.cli.main import run as shipway

AWS = "aws: {account: '123456789012', region: us-east-1, domain: hello.example, repository: example/hello}\n"
TOY = """
app: toy
services: {web: {path: web, command: run, routes: [/*]}}
environments: {dev: {branch: main, port: 8081, tasks: {min: 1, max: 1}, rollout: {strategy: rolling}}}
"""


def test_other_targets_do_without_boto3() -> None:
    """Its import takes longer than a whole `shipway --help`."""
    loaded = "import sys, shipway.cli.main, shipway.wiring.local, shipway.wiring.aws; print('boto3' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert "False" == done.stdout.strip()


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shipway.yaml").write_text(TOY + AWS)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *typed: str, code: int) -> str:
    assert code == shipway(["--target", "aws", *typed])
    return "".join(capsys.readouterr())


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("command", [["status"], ["doctor"]])
def test_without_boto3_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """Word by word."""
    monkeypatch.setitem(sys.modules, "boto3", None)
    assert "pip install 'shipway[aws]'" in said(capsys, *command, code=1)


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("command", [["status"], ["deploy"], ["logs"]])
def test_without_credentials_it_says_how_to_log_in(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """Before anything else is asked."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "aws sso login" in said(capsys, *command, code=1)


def test_an_app_without_an_aws_section_says_what_to_add(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is usage: shipway.yaml lacks something."""
    (app / "shipway.yaml").write_text(TOY)
    assert "aws: {account: …, region: …, domain: …}" in said(capsys, "status", code=2)


def test_its_name_is_known_in_one_place() -> None:
    """Like every target's."""
    assert "shipway.wiring.aws" == wiring.TARGETS["aws"]
