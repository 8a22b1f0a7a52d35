"""The service app-updates as a task, asked by devices that check what they get as the updater does."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shipway.cli.signing_key import make_key_pair
from shipway.core.contract.bundles import Bundle, Offer, read_told, version_of
from shipway.demo.device import Refused, opened, over_http
from tests.contracts.programs import Program, Service
from tests.devices.device import Behaviour, Device
from tests.waiting import wait_for

NOW = 1_785_000_000.0


@pytest.fixture(scope="module")
def program() -> Program:
    return Program("app-updates")


@pytest.fixture(scope="module")
def keys() -> tuple[str, str]:
    """A private key, and its public half as a native app has it: those that `shipway app key` makes."""
    pair = make_key_pair()
    return pair.private, pair.public


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Has the bucket and the offer."""
    folder = tmp_path_factory.mktemp("updates")
    (folder / "app-bundles-bucket").mkdir()
    return folder


@pytest.fixture(scope="module")
def task(program: Program, keys: tuple[str, str], folder: Path) -> Iterator[Service]:
    variables = {
        "DATABASE_URL": f"sqlite:///{folder / 'devices.db'}",
        "APP_SIGNING_KEY": keys[0],
        "APP_BUNDLES_BUCKET": (folder / "app-bundles-bucket").as_uri(),
        "APP_BUNDLE_PARAMETER": (folder / "offer").as_uri(),
    }
    assert 0 == program.run("-m", "app_updates.tables", **variables).returncode
    with program.serving(["-m", "app_updates"], folder / "log", variables, "/ready") as service:
        yield service


def put(folder: Path, name: str) -> str:
    """A bundle, as its metadata describes it; answers its version."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("index.html", name)
    content, of_name = memory.getvalue(), hashlib.sha256(name.encode()).hexdigest()
    digest = hashlib.sha256(content).hexdigest()
    bundle = Bundle(version_of("1.0.0", of_name), of_name, digest, len(content), "1.0.0.1", "1.0.0", "c" * 40, NOW)
    place = folder / "app-bundles-bucket" / bundle.version
    place.mkdir()
    (place / "bundle.zip").write_bytes(content)
    (place / "metadata.json").write_text(bundle.text())
    return bundle.version


def offered(task: Service, offer: Offer, folder: Path) -> None:
    """The offer, once the task knows it and can serve the bundles."""
    (folder / "offer.part").write_text(offer.text())
    (folder / "offer.part").rename(folder / "offer")
    wanted = {"stable": offer.stable, "candidate": offer.candidate}
    versions = [version for version in wanted.values() if version]

    def in_force() -> bool:
        served = all(task.ask("HEAD", f"/ota/bundles/{version}.zip").status == 200 for version in versions)
        return served and task.ask("GET", "/ready").json()["offered"] == wanted

    wait_for(in_force)


def test_devices_take_what_was_signed_and_settle_what_it_did(
    task: Service, folder: Path, keys: tuple[str, str]
) -> None:
    """Good devices go to the candidate and stay; each bad one ends on the bundle before, with its reason counted."""
    old, new = put(folder, "old"), put(folder, "new")
    offered(task, Offer(stable=old, candidate=new, percent=100), folder)
    ask = over_http(task.url)
    behaviours = [
        Behaviour.GOOD,
        Behaviour.NO_BOOT,
        Behaviour.REVERTS_MUTELY,
        Behaviour.CRASHES,
        Behaviour.WRONG_CHECKSUM,
    ]
    devices = [
        Device(one.name, ask, behaves={new: one}, public_key=keys[1], running=old, repeats=repeats, clock_off=-1e9)
        for one, repeats in zip(behaviours, (2, 2, 2, 1, 2), strict=True)
    ]
    for device in devices:
        for number in range(6):
            device.open(NOW + number)
    assert [new, *[old] * 4] == [device.running for device in devices]
    assert all(device.met.count(new) <= 1 for device in devices)
    counts = read_told(task.ask("GET", "/bundles").body).of(new)
    assert (5, 1, 4) == (counts.offered, counts.started, counts.failed)
    assert {"app_launch_timeout": 1, "reverted": 1, "crash_loop": 1, "checksum_fail": 1} == counts.reasons


def test_device_with_another_key_takes_nothing(task: Service, folder: Path, keys: tuple[str, str]) -> None:
    """And tells, so that it is offered that bundle no more; a device that floods is told when to come again."""
    only = put(folder, "only")
    offered(task, Offer(stable=only), folder)
    other = generate_private_key(public_exponent=65537, key_size=2048).public_key()
    public = other.public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode()
    device = Device("d", over_http(task.url), public_key=public)
    for number in range(3):
        device.open(NOW + number)
    assert ([], "builtin") == (device.met, device.running)
    asked = Device("e", over_http(task.url))
    asked.open(NOW)
    assert asked.last is not None
    answer, content = json.loads(asked.last.body), task.ask("GET", f"/ota/bundles/{only}.zip").body
    assert ["index.html"] == list(opened(answer, content, keys[1]) or ())
    with pytest.raises(Refused):
        opened({**answer, "checksum": hashlib.sha256(content).hexdigest()}, content, keys[1])
    assert 429 in asked.flood(NOW, 40)
    assert asked.last is not None
    assert int(asked.last.headers["retry-after"]) > 0
