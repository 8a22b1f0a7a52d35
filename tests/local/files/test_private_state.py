"""Who may read the state."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from shipway.core.daemon.environment import kept
from shipway.local.files.private_state import close_to_others


def open_to_others(folder: Path) -> list[str]:
    """What group or others have any permission on, links aside."""
    paths = [folder, *folder.rglob("*")]
    return [str(path) for path in paths if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077]


@pytest.mark.parametrize("mask", [0o022, 0o000])
def test_what_lies_open_is_closed(tmp_path: Path, mask: int) -> None:
    """Databases, captured requests and logs of an earlier start belong to their owner alone; who may execute, still may."""
    state = tmp_path / ".shipway"
    before = os.umask(mask)
    try:
        for name in ("data/prod/web/app.db", "monitoring-bucket/ontime/1.jsonl", "environments/abc/lib/public.py"):
            (state / name).parent.mkdir(parents=True, exist_ok=True)
            (state / name).write_text("x")
        (state / "data" / "link").symlink_to(tmp_path / "elsewhere")
        (tmp_path / "elsewhere").write_text("x")
        program = state / "data" / "program"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    finally:
        os.umask(before)
    left = (tmp_path / "elsewhere").stat().st_mode
    close_to_others(state)
    assert [] == [path for path in open_to_others(state) if "/environments/" not in path]
    assert (0o700, left) == (stat.S_IMODE(program.stat().st_mode), (tmp_path / "elsewhere").stat().st_mode)


def test_the_daemon_takes_along_what_it_needs_and_no_keys() -> None:
    """Where programs, packages and certificates are found, language and time; nothing else."""
    needed = {
        "PATH": "/bin", "HOME": "/home/ada", "LANG": "C.UTF-8", "LC_ALL": "C", "TZ": "UTC", "TMPDIR": "/tmp",
        "HTTPS_PROXY": "http://proxy", "no_proxy": "localhost", "UV_INDEX_URL": "https://index", "SSL_CERT_FILE": "/c",
        "SHIPWAY_X": "1",
    }  # fmt: skip
    keys = (
        *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GITHUB_TOKEN", "DATABASE_URL", "SSH_AUTH_SOCK", "PGPASSWORD"),
        *("OPENAI_API_KEY", "GIT_ASKPASS", "UV_PUBLISH_TOKEN", "KUBECONFIG", "path"),
    )
    assert needed == kept(needed | dict.fromkeys(keys, "secret"))
