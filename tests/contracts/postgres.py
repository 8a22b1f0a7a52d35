"""A PostgreSQL server as RDS is one: passwords by SCRAM, TLS with a certificate of its own authority, nothing else."""

from __future__ import annotations

import ipaddress
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.free_ports import free_port
from tests.waiting import wait_for

INSTALLED = shutil.which("initdb") and shutil.which("postgres")
_SETTINGS = {
    "ssl": "on", "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", "shared_buffers": "16MB",
    "log_connections": "on", "log_statement": "all", "password_encryption": "scram-sha-256",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server. Its master may do everything; `certificate` is what clients trust."""

    port: int
    folder: Path
    master_password: str

    @property
    def certificate(self) -> Path:
        return self.folder / "server.crt"

    @property
    def log(self) -> str:
        """What it wrote, every statement among it."""
        return (self.folder / "log").read_text(errors="replace")


@contextmanager
def postgres(master_password: str) -> Iterator[Postgres]:
    """The server, as another user where root runs the tests, as it refuses to run as root."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-", dir="/tmp"))
    owner = _owner()
    process: subprocess.Popen[bytes] | None = None
    try:
        _certificate(folder)
        (folder / "password").write_text(master_password)
        _hand_over(folder, owner)
        data, port = folder / "data", free_port()
        subprocess.run(
            ["initdb", "-D", str(data), "-U", "master", "-A", "scram-sha-256", "--pwfile", str(folder / "password"), "-N"],
            check=True, capture_output=True, user=owner, cwd=folder, env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
        settings = _SETTINGS | {"port": str(port)}
        settings |= {
            f"ssl_{what}_file": str(folder / f"server.{end}") for what, end in (("cert", "crt"), ("key", "key"))
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                ["postgres", "-D", str(data), *words], stdout=log, stderr=log, user=owner, cwd=folder,
            )  # fmt: skip
        running = Postgres(port, folder, master_password)
        wait_for(lambda: "ready to accept connections" in running.log, "PostgreSQL takes connections")
        yield running
    finally:
        if process is not None:
            process.send_signal(signal.SIGINT)
            process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _owner() -> str | None:
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _hand_over(folder: Path, owner: str | None) -> None:
    if owner is not None:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, owner)


def _certificate(folder: Path) -> None:
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a database of the tests")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "server.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "server.key").chmod(0o600)
