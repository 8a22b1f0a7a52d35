"""Small git repositories, and the program that makes images' sources of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.contracts.programs import ROOT

PROGRAM = ROOT / "infra" / "modules" / "pipeline" / "image_source.py"


def git(app: Path, *words: str) -> str:
    author = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *author, *words], cwd=app, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(app: Path) -> None:
    git(app, "add", "--all")
    git(app, "commit", "--quiet", "--message", "a change")


def run(app: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, PROGRAM, *words], cwd=app, capture_output=True, text=True, check=False)


def tag(app: Path, *words: str) -> str:
    done = run(app, "tag", *words)
    assert 0 == done.returncode, done.stderr
    return done.stdout.strip()
