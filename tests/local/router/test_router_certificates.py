"""HTTPS with certificates of this machine's own authority."""

from __future__ import annotations

import datetime as dt
import ssl
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from router_harness import DEADLINE, Task, topology

from shipway.local.router import Router
from shipway.local.router.certificates import AUTHORITY, CERTIFICATE, ensure_certificates
from tests.free_ports import free_port

NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_https_is_trusted_through_the_authority(
    tmp_path: Path, runtime: Path, port: int, start: Callable[..., Task], host: str
) -> None:
    """A client that trusts the authority gets its answer, and the task learns of HTTPS."""
    https_port = free_port()
    router = Router(tmp_path / "router", runtime)
    try:
        router.ensure_running(topology(port, https_port=https_port))
        router.set_tasks("prod", "blue", "backend-api", {"t": start("t").port})
        context = ssl.create_default_context(cafile=str(router.authority))
        with urllib.request.urlopen(
            f"https://{host}:{https_port}/api/x", context=context, timeout=DEADLINE
        ) as response:
            assert b'"x-forwarded-proto": "https"' in response.read()
    finally:
        router.stop()


def test_certificates_are_kept(tmp_path: Path) -> None:
    """A second call makes nothing new."""
    assert ensure_certificates(tmp_path, NOW) == ensure_certificates(tmp_path, NOW + dt.timedelta(days=300))


def test_certificate_is_renewed_before_it_expires(tmp_path: Path) -> None:
    """Within 30 days of its end there is a new certificate, from the same authority."""
    first = ensure_certificates(tmp_path, NOW)
    authority = (tmp_path / AUTHORITY).read_bytes()
    assert first != ensure_certificates(tmp_path, NOW + dt.timedelta(days=370))
    assert authority == (tmp_path / AUTHORITY).read_bytes()


@pytest.mark.parametrize("damaged", ["ca.pem", "ca.key", CERTIFICATE])
def test_damaged_files_are_made_anew(tmp_path: Path, damaged: str) -> None:
    """What cannot be read is replaced."""
    first = ensure_certificates(tmp_path, NOW)
    (tmp_path / damaged).write_text("nonsense")
    assert first != ensure_certificates(tmp_path, NOW)


def test_files_are_private(tmp_path: Path) -> None:
    """Nobody else reads the keys."""
    ensure_certificates(tmp_path, NOW)
    assert {0o600} == {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
