"""The bucket of model versions in S3. Nothing of it is ever overwritten but metadata and `latest`.

A version is there when its metadata is, which is put last and only where there is none: of two publishers of one name,
the second is told. Files are put with the SHA-256 that they are to have, which S3 checks and keeps.
"""

from __future__ import annotations

import base64
import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from shipway.aws.calls import AwsError, Calls, explained
from shipway.core.contract.version import VERSION, sort_key
from shipway.core.errors import Refused, ShipwayError
from shipway.core.models.model_version import check_there
from shipway.core.ports.models import FileDigest, VersionStore

METADATA = "metadata.json"
LARGEST_METADATA = 4 << 20
LARGEST_FILE = 5 << 30
"""Bytes that one request may put."""
UNFINISHED = 3600.0
"""Seconds after which files of a version that never got its metadata are left by a publisher that was killed."""
_MOST_OBJECTS = 200_000
_CHUNK = 1 << 20
_LOST = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_ABSENT = frozenset({"NoSuchKey", "404", "NotFound"})


class S3VersionStore(VersionStore):
    """The versions in one bucket."""

    def __init__(self, calls: Calls, bucket: str) -> None:
        self._calls = calls
        self._bucket = bucket

    def versions(self) -> tuple[str, ...]:
        found = set()
        for n, key in enumerate(self._keys("v")):
            if n >= _MOST_OBJECTS:
                raise Refused(
                    f"s3://{self._bucket} holds more than {_MOST_OBJECTS:,} objects", fix="remove what is no version"
                )
            version, _, name = key.partition("/")
            if name == METADATA and VERSION.fullmatch(version):
                found.add(version)
        return tuple(sorted(found, key=sort_key))

    def metadata(self, version: str) -> bytes:
        return self._metadata(version)[0]

    def replace_metadata(self, version: str, before: bytes, after: bytes) -> bool:
        now, tag = self._metadata(version)
        return now == before and self._put(f"{version}/{METADATA}", after, IfMatch=tag)

    def add(self, version: str, folder: str, files: Mapping[str, FileDigest], metadata: bytes) -> bool:
        if self._head(f"{version}/{METADATA}") is not None:
            return False
        for name in sorted(files):
            self._add_file(version, name, Path(folder, name), files[name])
        for name, wanted in files.items():
            if self.digest(version, name) != wanted:
                raise ShipwayError(
                    f"s3://{self._bucket}/{version}/{name} is not what was put there",
                    fix="publish it again, under another name (--version)",
                    state=f"there is no {version}",
                )
        return self._put(f"{version}/{METADATA}", metadata, IfNoneMatch="*")

    def files(self, version: str) -> tuple[str, ...]:
        self._check_there(version)
        names = (key.removeprefix(f"{version}/") for key in self._keys(f"{version}/"))
        return tuple(sorted(name for name in names if name != METADATA))

    def digest(self, version: str, file: str) -> FileDigest:
        """As S3 knows it where it does; a file that somebody put without a SHA-256 is read."""
        head = self._head(f"{version}/{file}")
        if head is None:
            raise Refused(f"s3://{self._bucket}/{version}/{file} is not there", fix="publish the model again")
        known = head.get("ChecksumSHA256", "")
        if known and head.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT":
            return base64.b64decode(known).hex(), int(head["ContentLength"])
        digest, size = hashlib.sha256(), 0
        for chunk in self._chunks(f"{version}/{file}"):
            digest.update(chunk)
            size += len(chunk)
        return digest.hexdigest(), size

    @contextmanager
    def at_hand(self, version: str) -> Iterator[str]:
        with tempfile.TemporaryDirectory(prefix="shipway-model-") as work:
            folder = Path(work, version)
            for name in (METADATA, *self.files(version)):
                target = folder / name
                if not target.resolve().is_relative_to(folder):
                    raise Refused(f"s3://{self._bucket}/{version}/{name} leads out of its folder", fix="remove it")
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as file:
                    file.writelines(self._chunks(f"{version}/{name}"))
            yield str(folder)

    def latest(self) -> str | None:
        try:
            text = b"".join(self._chunks("latest", 1024)).decode(errors="replace").strip()
        except AwsError as error:
            if error.code in _ABSENT:
                return None
            raise
        if not VERSION.fullmatch(text):
            raise Refused(
                f"s3://{self._bucket}/latest holds {text[:40]!r}, which is not a model version",
                fix="set the latest version again: shipway model promote VERSION",
            )
        return text

    def point(self, version: str) -> None:
        self._put("latest", f"{version}\n".encode())

    # -- objects ----------------------------------------------------------------------------------------------------

    def _add_file(self, version: str, name: str, path: Path, wanted: FileDigest) -> None:
        """Put a file unless it is there. Raises Refused where another publisher's file of that name is there."""
        key, (sha256, size) = f"{version}/{name}", wanted
        if size > LARGEST_FILE:
            raise Refused(
                f"{path} has {size:,} bytes; S3 takes {LARGEST_FILE:,} at once", fix="split it", state="nothing changed"
            )
        with path.open("rb") as file:
            if (hashlib.file_digest(file, "sha256").hexdigest(), file.tell()) != wanted:
                raise Refused(
                    f"{path} was changed after its metadata was made", fix="publish it again", state="nothing changed"
                )
            # S3 refuses what arrives otherwise, and keeps the digest beside the object
            checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
            sent = {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": checksum}
            file.seek(0)
            if self._put(key, file, **sent, IfNoneMatch="*"):
                return
            there = self._head(key)
            if there is None or self.digest(version, name) == wanted:
                return
            if _age(there) < UNFINISHED:
                raise Refused(
                    f"somebody else is publishing {version}, or left it unfinished: s3://{self._bucket}/{key} is "
                    "another file",
                    fix=f"publish it under another name (--version), or in {UNFINISHED / 60:.0f} minutes",
                    state="nothing changed",
                )
            file.seek(0)
            self._put(key, file, **sent)

    def _put(self, key: str, body: Any, **options: str) -> bool:
        """Whether the object was written; False where a condition did not hold."""
        try:
            self._calls.call("s3", "put_object", Bucket=self._bucket, Key=key, Body=body, **options)
        except AwsError as error:
            if error.code in _LOST:
                return False
            raise self._explained(error) from error
        return True

    def _head(self, key: str) -> dict[str, Any] | None:
        try:
            return self._calls.call("s3", "head_object", Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")
        except AwsError as error:
            if error.code in _ABSENT:
                return None
            raise

    def _metadata(self, version: str) -> tuple[bytes, str]:
        """The bytes, and S3's tag of them."""
        try:
            answer = self._calls.call("s3", "get_object", Bucket=self._bucket, Key=f"{version}/{METADATA}")
        except AwsError as error:
            if error.code in _ABSENT:
                self._check_there(version)
            raise self._explained(error) from error
        data = b"".join(self._read(answer, LARGEST_METADATA + 1))
        if len(data) > LARGEST_METADATA:
            where = f"s3://{self._bucket}/{version}/{METADATA}"
            raise Refused(
                f"{where}: more than {LARGEST_METADATA:,} bytes", fix="keep what is larger in a file of its own"
            )
        return data, str(answer["ETag"])

    def _chunks(self, key: str, most: int | None = None) -> Iterator[bytes]:
        yield from self._read(self._calls.call("s3", "get_object", Bucket=self._bucket, Key=key), most)

    def _read(self, answer: Mapping[str, Any], most: int | None) -> Iterator[bytes]:
        with closing(answer["Body"]) as body:
            try:
                if most is not None:
                    yield body.read(most)
                else:
                    yield from body.iter_chunks(_CHUNK)
            except OSError:
                raise
            except Exception as error:
                raise explained(error, "s3", "get_object", self._calls.region) from error

    def _keys(self, prefix: str) -> Iterator[str]:
        try:
            for entry in self._calls.pages("s3", "list_objects_v2", "Contents", Bucket=self._bucket, Prefix=prefix):
                yield str(entry["Key"])
        except AwsError as error:
            raise self._explained(error) from error

    def _check_there(self, version: str) -> None:
        check_there(version, self.versions())

    def _explained(self, error: AwsError) -> ShipwayError:
        if error.code != "NoSuchBucket":
            return error
        return ShipwayError(
            f"there is no bucket {self._bucket}",
            fix="apply infra/app first (infra/README.md), or correct aws.account and aws.region in shipway.yaml",
        )


def _age(head: Mapping[str, Any]) -> float:
    """Seconds since the object was written, by S3's own clock."""
    answered, written = head["ResponseMetadata"]["HTTPHeaders"].get("date"), head["LastModified"]
    return float((parsedate_to_datetime(answered) - written).total_seconds()) if answered else 0.0
