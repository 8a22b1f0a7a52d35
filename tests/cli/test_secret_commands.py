"""`secrets set | list | unset`: where a value comes from, what is said, and that no value is."""

from __future__ import annotations

import io
import os
import pty
import sys
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from shipway.cli.main import run as shipway
from shipway.cli.render.secrets import change_lines, secret_table
from shipway.core.secrets.secret import LARGEST
from shipway.local.places import Places
from tests.cli.answers import NOW, Json
from tests.cli.daemon_double import DaemonDouble
from tests.waiting import wait_for

Capture = pytest.CaptureFixture[str]
SET = "/v1/environments/prod/secrets/MAPS_API_KEY"
VALUE = "of great value"


def change(**changes: object) -> Json:
    """A value that no task has yet."""
    return {
        "environment": "prod", "name": "MAPS_API_KEY", "changed": True, "services": ["backend-api"], "running": [],
        "redeploy": "", **changes,
    }  # fmt: skip


def given(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    """What is piped in."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def sent(daemon: DaemonDouble) -> list[object]:
    return [body["value"] for method, path, body in daemon.asked if (method, path) == ("POST", SET)]


@pytest.mark.parametrize(
    ("piped", "value"),
    [
        (b"of great value", VALUE),
        (b"of great value\n", VALUE),
        (b"two\r\nlines\r\n", "two\r\nlines"),
        (b"one\n\n", "one\n"),
    ],
)
def test_a_value_is_piped_in_less_the_end_of_its_line(
    daemon: DaemonDouble, monkeypatch: pytest.MonkeyPatch, capsys: Capture, piped: bytes, value: str
) -> None:
    """As `echo` and editors end it; the rest is as it is, and none of it is said."""
    daemon.answer("POST", SET, change())
    given(monkeypatch, piped)
    assert 0 == shipway(["secrets", "set", "MAPS_API_KEY", "--env", "prod"])
    assert [value] == sent(daemon)
    assert ("✔ MAPS_API_KEY is set in prod\n", "") == capsys.readouterr()


def test_a_file_is_taken_as_it_is(daemon: DaemonDouble, tmp_path: Path) -> None:
    """With the end of its last line: a private key needs that."""
    daemon.answer("POST", SET, change())
    file = tmp_path / "key.pem"
    file.write_text("of great\nvalue\n")
    assert 0 == shipway(["secrets", "set", "MAPS_API_KEY", "--env", "prod", "--from-file", str(file), "--why", "new"])
    assert [("POST", SET, {"value": "of great\nvalue\n", "why": "new"})] == daemon.asked


@pytest.mark.parametrize(
    ("data", "said"), [(b"x" * (LARGEST + 3), "more than 65,536 bytes"), (b"value \xff\xfe", "no text in UTF-8")]
)
def test_what_no_value_can_be_is_usage(
    daemon: DaemonDouble, monkeypatch: pytest.MonkeyPatch, capsys: Capture, data: bytes, said: str
) -> None:
    """Nothing is asked, and the value is not repeated."""
    given(monkeypatch, data)
    assert 2 == shipway(["secrets", "set", "MAPS_API_KEY", "--env", "prod"])
    error = capsys.readouterr().err
    assert (True, False) == (said in error, "value \\xff" in error)
    assert [] == daemon.asked


def test_a_file_that_cannot_be_read_is_usage(daemon: DaemonDouble, tmp_path: Path, capsys: Capture) -> None:
    """With its name."""
    assert 2 == shipway(["secrets", "set", "A", "--env", "prod", "--from-file", str(tmp_path / "none")])
    assert "none: No such file or directory" in capsys.readouterr().err


def test_a_terminal_is_asked_and_shows_nothing(app: Places, daemon: DaemonDouble) -> None:
    """The value is typed blindly."""
    daemon.answer("POST", SET, change())
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(app.root)
        os.execv(sys.executable, [sys.executable, "-m", "shipway", "secrets", "set", "MAPS_API_KEY", "--env", "prod"])
    shown = bytearray()
    reader = threading.Thread(target=_read_all, args=(terminal, shown))
    reader.start()
    try:
        wait_for(lambda: b"not shown" in shown, "it asks")
        os.write(terminal, f"{VALUE}\n".encode())
        assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        reader.join(20)
        os.close(terminal)
    assert [VALUE] == sent(daemon)
    assert (b"Value of MAPS_API_KEY (not shown)" in shown, VALUE.encode() in shown) == (True, False)


def _read_all(terminal: int, shown: bytearray) -> None:
    try:
        while part := os.read(terminal, 4096):
            shown.extend(part)
    except OSError:
        # Linux's way to say that nobody is left at the other end.
        pass


def test_what_runs_keeps_the_former_value_and_what_to_do_about_it() -> None:
    """The command that starts tasks anew."""
    told = change(running=["backend-api"], redeploy="shipway deploy abc1234 --env prod")
    assert [
        "✔ MAPS_API_KEY is set in prod",
        "  backend-api: the tasks that run keep the former value; tasks that are started from now on get this one",
        "  Start them anew, without dropping a request: shipway deploy abc1234 --env prod",
    ] == change_lines(told, "set")


def test_a_name_that_nobody_has_yet_is_told() -> None:
    """It may be mistyped."""
    assert (
        "  No service names it yet: `secrets: [MAPS_API_KEY]` in shipway.yaml, then deploy"
        == change_lines(change(services=[]), "set")[-1]
    )


def test_a_change_that_was_none() -> None:
    """Set to what it is, or unset where there is none."""
    assert ["· MAPS_API_KEY has this value already in prod; nothing changed"] == change_lines(
        change(changed=False), "set"
    )
    assert ["· MAPS_API_KEY has no value in prod; nothing changed"] == change_lines(change(changed=False), "unset")


def test_the_list() -> None:
    """Since when, and who names it."""
    secrets = [
        {"name": "A", "set_at": NOW - 60, "services": ["backend-api"]},
        {"name": "B", "set_at": None, "services": ["backend-api", "web"]},
        {"name": "C", "set_at": NOW - 5, "services": []},
    ]
    assert [
        "NAME  SET       NAMED BY",
        "A     11:05:40  backend-api",
        "B     not set   backend-api, web",
        "C     11:06:35  –",
    ] == secret_table(secrets, "prod", NOW)


KEY = "/v1/environments/prod/secrets/APP_SIGNING_KEY"
LISTED = "/v1/environments/prod/secrets"


def listed(set_at: float | None) -> Json:
    return {"secrets": [{"name": "APP_SIGNING_KEY", "set_at": set_at, "services": ["app-updates"]}]}


def test_a_signing_key_is_made_kept_and_its_public_half_is_said(
    daemon: DaemonDouble, tmp_path: Path, capsys: Capture
) -> None:
    """RSA-2048: the private half goes to the daemon and into a file of its owner's alone, the public one to stdout."""
    daemon.answer("GET", LISTED, listed(None))
    daemon.answer("POST", KEY, change(name="APP_SIGNING_KEY"))
    copy = tmp_path / "key.pem"
    assert 0 == shipway(["app", "key", "--env", "prod", "--copy", str(copy)])
    (private,) = [body["value"] for method, path, body in daemon.asked if (method, path) == ("POST", KEY)]
    key = load_pem_private_key(private.encode(), None)
    assert isinstance(key, RSAPrivateKey)
    assert (2048, 0o600, private) == (key.key_size, copy.stat().st_mode & 0o777, copy.read_text())
    said = capsys.readouterr()
    assert key.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode() == said.out
    assert "PRIVATE" not in said.out + said.err


def test_a_key_is_replaced_on_request_only(daemon: DaemonDouble, tmp_path: Path, capsys: Capture) -> None:
    """Native apps know the one that is there. A file that is there is not written over, and then nothing is changed."""
    daemon.answer("GET", LISTED, listed(NOW))
    daemon.answer("POST", KEY, change(name="APP_SIGNING_KEY"))
    assert 3 == shipway(["app", "key", "--env", "prod"])
    assert "shipway app key --env prod --replace" in capsys.readouterr().err
    (there := tmp_path / "key.pem").write_text("another key")
    assert 2 == shipway(["app", "key", "--env", "prod", "--replace", "--copy", str(there)])
    assert ("another key", []) == (there.read_text(), [path for method, path, _ in daemon.asked if method == "POST"])
    assert 0 == shipway(["app", "key", "--env", "prod", "--replace"])
