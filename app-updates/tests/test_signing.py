"""Signed bundles, held against readings that share no code with the signer: Python's, Node's, and the updater's own."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from app_updates.signing import KeyFault, SigningKey
from tests.bundles import zipped

VERSION = "1.0.0-4f53cda18c2b"
CONTENT = zipped({"index.html": "<!doctype html>", "assets/app.js": "1" * 50_000})
HERE = Path(__file__).parent
UPDATER = (
    HERE.parents[1]
    / "mobile-app/node_modules/@capgo/capacitor-updater/android/src/main/java/ee/forgr/capacitor_updater"
)


class Delivery(NamedTuple):
    """What a device has got: the offer's words, the bytes, and the public key in its native app."""

    public: str
    checksum: str
    session_key: str
    content: bytes


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return SigningKey.make()


@pytest.fixture(scope="module")
def delivery(key: SigningKey) -> Delivery:
    signed = key.sign(VERSION, CONTENT)
    return Delivery(key.public, signed.checksum, signed.session_key, signed.content)


def spoilt(delivery: Delivery) -> dict[str, Delivery]:
    """Deliveries that nobody may accept."""
    flipped = bytearray(delivery.content)
    flipped[len(flipped) // 2] ^= 1
    iv, session = delivery.session_key.split(":")
    other = SigningKey.make()
    return {
        "a flipped byte": delivery._replace(content=bytes(flipped)),
        "another key": delivery._replace(public=other.public),
        "another session key": delivery._replace(
            session_key=f"{iv}:{other.sign(VERSION, CONTENT).session_key.split(':')[1]}"
        ),
        "another bundle's session key": delivery._replace(
            session_key=SigningKey.make().sign(VERSION, b"other").session_key
        ),
        "another IV": delivery._replace(session_key=f"{base64.b64encode(bytes(16)).decode()}:{session}"),
        "a plain checksum": delivery._replace(checksum=hashlib.sha256(CONTENT).hexdigest()),
    }


def read_by_numbers(delivery: Delivery, _folder: Path) -> bytes | None:
    """RSA by Python's integers, with the key's numbers read from its DER by hand; AES by the system's openssl."""
    der = base64.b64decode("".join(delivery.public.splitlines()[1:-1]))
    # SEQUENCE { INTEGER modulus of 257 bytes, INTEGER exponent of 3 }
    assert der[:4] == b"\x30\x82\x01\x0a" and der[4:8] == b"\x02\x82\x01\x01"
    modulus, exponent = int.from_bytes(der[8:265]), int.from_bytes(der[267:])

    def opened(block: bytes) -> bytes | None:
        plain = pow(int.from_bytes(block), exponent, modulus).to_bytes(256)
        padding, _, data = plain[2:].partition(b"\0")
        fine = len(block) == 256 and plain[:2] == b"\0\x01" and len(padding) >= 8 and set(padding) == {0xFF}
        return data if fine else None

    iv, session = (base64.b64decode(part) for part in delivery.session_key.split(":"))
    secret, digest = opened(session), opened(bytes.fromhex(delivery.checksum))
    if secret is None or len(secret) != 16 or digest is None:
        return None
    # AES is openssl's: the key of a test may stand in its arguments.
    command = ["openssl", "enc", "-d", "-aes-128-cbc", "-K", secret.hex(), "-iv", iv.hex()]
    done = subprocess.run(command, input=delivery.content, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 and hashlib.sha256(done.stdout).digest() == digest else None


def read_by_node(delivery: Delivery, folder: Path) -> bytes | None:
    """`read_bundle.mjs`, by Node's own cryptography."""
    return read_by(["node", str(HERE / "read_bundle.mjs")], delivery, folder)


def read_by(command: list[str], delivery: Delivery, folder: Path) -> bytes | None:
    """What the command leaves in the file, where it says that it accepts it."""
    file = folder / "bundle.zip"
    file.write_bytes(delivery.content)
    arguments = [str(file), delivery.public, delivery.checksum, delivery.session_key]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode in (0, 3), done.stderr
    return file.read_bytes() if done.returncode == 0 else None


@pytest.fixture(scope="module")
def updater(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The updater's own class, compiled with stand-ins for Android's Base64 and Log."""
    if shutil.which("javac") is None or shutil.which("java") is None:
        pytest.skip("no JDK: install your system's default-jdk-headless")
    if not (UPDATER / "CryptoCipher.java").exists():
        pytest.skip("the updater is not installed: npm ci in mobile-app, or make mobile-test")
    classes = tmp_path_factory.mktemp("classes")
    sources = [UPDATER / "CryptoCipher.java", *(HERE / "java").rglob("*.java")]
    done = subprocess.run(
        ["javac", "-nowarn", "-d", str(classes), *map(str, sources)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return ["java", "-Xshare:auto", "-cp", str(classes), "Read"]


Reading = Callable[[Delivery, Path], "bytes | None"]


@pytest.fixture(params=["python", *(pytest.param(name, marks=pytest.mark.slow) for name in ("node", "updater"))])
def reading(request: pytest.FixtureRequest) -> Reading:
    program = {"python": "openssl", "node": "node"}.get(request.param)
    if program is not None and shutil.which(program) is None:
        pytest.skip(f"no {program} on PATH")
    if request.param == "updater":
        command: list[str] = request.getfixturevalue("updater")
        return lambda delivery, folder: read_by(command, delivery, folder)
    return read_by_node if request.param == "node" else read_by_numbers


def test_bundle_is_accepted_and_unpacks_to_what_was_built(delivery: Delivery, reading: Reading, tmp_path: Path) -> None:
    """Whoever has the public key gets the very zip that Shipway built."""
    assert CONTENT == reading(delivery, tmp_path)


def test_whatever_is_spoilt_is_refused(delivery: Delivery, reading: Reading, tmp_path: Path) -> None:
    """A flipped byte, another key, another session key, another IV and a plain checksum, each by itself."""
    assert dict.fromkeys(spoilt(delivery)) == {what: reading(one, tmp_path) for what, one in spoilt(delivery).items()}


def test_all_tasks_serve_the_same_bytes(key: SigningKey) -> None:
    """Another task with the same key signs alike; another version, content or key gets another session key."""
    other = SigningKey.read(key.pem)
    assert key.sign(VERSION, CONTENT) == other.sign(VERSION, CONTENT)
    sessions = {
        signer.sign(version, content).session_key
        for signer in (key, SigningKey.make())
        for version in (VERSION, "1.0.1-4f53cda18c2b")
        for content in (CONTENT, CONTENT + b"!")
    }
    assert 8 == len(sessions)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "found no private key"),
        ("-----BEGIN RSA PRIVATE KEY-----\nnonsense\n-----END RSA PRIVATE KEY-----", "found no private key"),
        ("ec", "a key of another kind"),
        ("short", "RSA of 1024 bits"),
    ],
)
def test_key_that_does_not_fit_is_named_and_not_shown(text: str, why: str) -> None:
    """The message says what was found and how to make a right one, and holds nothing of the key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    made = {
        "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
        "short": lambda: rsa.generate_private_key(65537, 1024),
    }
    if text in made:
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        text = made[text]().private_bytes(*form).decode()
    with pytest.raises(KeyFault) as raised:
        SigningKey.read(text)
    assert why in str(raised.value)
    assert "shipway app key --env" in str(raised.value)
    assert not any(line and line in str(raised.value) for line in text.splitlines()[1:-1])
