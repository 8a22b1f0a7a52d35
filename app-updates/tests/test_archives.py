"""Zips that must not reach a device, and that they never do."""

from __future__ import annotations

import io
import random
import stat
import zipfile
from contextlib import suppress
from dataclasses import replace

import pytest

from app_updates import archives
from app_updates.archives import BundleRefused, check
from app_updates.contract.bundles import Offer
from app_updates.following import Follower
from app_updates.places import bucket_at, parameter_at
from app_updates.signing import SigningKey
from tests.bundles import Bucket, described, zipped
from tests.conftest import Task


def linked() -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("index.html", "")
        link = zipfile.ZipInfo("secrets")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    return memory.getvalue()


def twice() -> bytes:
    memory = io.BytesIO()
    with pytest.warns(UserWarning), zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("index.html", "one")
        archive.writestr("index.html", "two")
    return memory.getvalue()


def nameless() -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("index.html", "")
        archive.writestr("a", "")
        archive.filelist[-1].filename = ""
    return memory.getvalue()


BAD = {
    "no zip": (b"nonsense", "is no zip"),
    "cut off": (zipped({"index.html": "x" * 999})[:-30], "is no zip"),
    "no index": (zipped({"assets/index.html": ""}), "no index.html"),
    "way out": (zipped({"index.html": "", "../../evil.js": ""}), "leads out"),
    "inner way out": (zipped({"index.html": "", "a/../../evil.js": ""}), "leads out"),
    "absolute": (zipped({"index.html": "", "/etc/evil": ""}), "leads out"),
    "backslashes": (zipped({"index.html": "", "..\\evil.js": ""}), "leads out"),
    "drive": (zipped({"index.html": "", "C:evil.js": ""}), "leads out"),
    "link": (linked(), "no file"),
    "twice": (twice(), "twice"),
    "no name": (nameless(), "has no name"),
    "too many": (zipped({"index.html": "", **{f"f{n}": "" for n in range(archives.MOST_FILES)}}), "files, allowed"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_zip_is_refused_and_says_why(kind: str) -> None:
    """Of the right size and digest, and yet not to be served."""
    content, why = BAD[kind]
    with pytest.raises(BundleRefused, match=why):
        check(described(content), content)


def test_damaged_zip_is_read_or_refused() -> None:
    """Whatever bytes of its directory are changed, nothing but BundleRefused is raised."""
    chance = random.Random(1)
    good = zipped({"index.html": "", "assets/": "", "assets/ü.js": "1"})
    for _ in range(5_000):
        damaged = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            damaged[-chance.randint(1, 200)] = chance.choice([0, 255, chance.randrange(256)])
        content = bytes(damaged)
        with suppress(BundleRefused):
            assert "index.html" in check(described(content), content)


def test_bomb_is_refused_without_being_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what it says that it unpacks to."""
    monkeypatch.setattr(archives, "LARGEST_UNPACKED", 1_000_000)
    content = zipped({"index.html": "", "bomb": bytes(1_000_001)})
    assert len(content) < 2_000
    with pytest.raises(BundleRefused, match="unpacks to"):
        check(described(content), content)


def test_zip_of_another_size_or_digest_is_refused() -> None:
    """Whatever it holds."""
    content = zipped({"index.html": ""})
    with pytest.raises(BundleRefused, match="bytes, its metadata says"):
        check(replace(described(content), size=1), content)
    with pytest.raises(BundleRefused, match="SHA-256"):
        check(replace(described(content), digest="0" * 64), content)


def test_names_of_a_good_zip(bucket: Bucket) -> None:
    """Folders are left out."""
    content = zipped({"assets/": "", "assets/a.js": "", "index.html": ""})
    assert {"assets/a.js", "index.html"} == check(described(content), content)


def test_unforeseen_fault_of_one_bundle_costs_no_other(bucket: Bucket, key: SigningKey) -> None:
    """It is said and tried again; those that come after it are brought here meanwhile."""
    bad, good = bucket.put("bad"), bucket.put("good")
    bucket.offer(Offer(stable=bad.version, older=(good.version,)))
    read = bucket_at(bucket.folder.as_uri(), archives.LARGEST)

    def faulty(name: str) -> bytes:
        if name.startswith(bad.version):
            raise RuntimeError("made up")
        return read(name)

    follower = Follower(parameter_at(bucket.parameter.as_uri()), faulty, key)
    for _ in range(2):
        follower.look()
    assert [good.version] == list(follower.offering.ready)
    assert [f"{bad.version}: RuntimeError: made up"] == follower.faults
    follower.close()


def test_refused_bundle_is_never_served(task: Task, bucket: Bucket) -> None:
    """Devices keep the stable one, the address answers 404, and `/ready` says what is wrong."""
    good = bucket.put("good")
    liar = bucket.put("liar", digest="0" * 64)
    other = bucket.put("other", version=good.version)
    huge = bucket.put("huge", size=archives.LARGEST + 1)
    for bad in (liar.version, huge.version, other.version):
        bucket.offer(Offer(stable=good.version, candidate=bad, percent=100))
        assert task.follower is not None
        for _ in range(3):
            task.follower.look()
        assert good.version == task.check_in("d1").get("version")
        assert 404 == task.ask("GET", f"/ota/bundles/{bad}.zip").status
    faults = "\n".join(task.ask("GET", "/ready").json()["faults"])
    assert all(word in faults for word in ("SHA-256", "allowed are", f"its metadata is that of {good.version}"))
