"""The versions of a bucket in S3, as verified copies on this machine.

Only what serves is copied: the metadata and the model file. A copy appears by one rename once its digest is right, and
is used from then on without asking S3 again, as versions never change but for their approval.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
import threading
from collections import OrderedDict
from contextlib import closing
from pathlib import Path
from typing import Any

from ml_model_service.aws.addresses import S3Address
from ml_model_service.aws.clients import FAULTS, client, code_of, told
from ml_model_service.metadata import FileEntry, read_metadata
from ml_model_service.versions.model import MAX_METADATA, MAX_MODEL, Model, ModelError, load
from ml_model_service.versions.pickles import Bucket

log = logging.getLogger(__name__)
METADATA = "metadata.json"
# Eleven versions may be wanted together; the others are for the way back while S3 is away.
KEPT, KEPT_BYTES = 16, 4 << 30
_MOST_REFUSED = 100
_CHUNK = 1 << 20

_Tags = tuple[str, str]
"""S3's tags of a version's metadata and model file: they change when the objects are written anew."""


class S3Source:
    """Copies in a folder that ends with the process; the least recently used make room for others."""

    retry_after = 5.0

    def __init__(self, address: S3Address, *, trusted: bool = False) -> None:
        """`trusted`: its pickles may be loaded. Raises NoClient without a region, OSError without room for copies."""
        self._address, self._s3 = address, client("s3")
        self.bucket = Bucket(Path(tempfile.mkdtemp(prefix="model-versions-")), trusted)
        self._lock = threading.Lock()
        self._copies: OrderedDict[str, _Tags] = OrderedDict()
        # Why a version was refused: it is not fetched again before one of its objects has another tag.
        self._refused: OrderedDict[str, tuple[_Tags, str]] = OrderedDict()

    def folder(self, version: str) -> Path:
        with self._lock:
            if version in self._copies:
                self._copies.move_to_end(version)
                return self.bucket.folder / version
        try:
            return self._fetched(version)
        except FAULTS as error:
            if code_of(error) == "NoSuchKey":
                raise ModelError(f"{version}: {self._address} has no such version, or not all of its files") from error
            raise ModelError(f"{version}: cannot fetch it from {self._address}: {told(error)}") from error

    def load(self, version: str) -> Model:
        folder = self.folder(version)
        try:
            return load(folder, version, self.bucket)
        except ModelError as error:
            with self._lock:
                tags = self._copies.pop(version, None)
            if tags is not None:
                shutil.rmtree(folder, ignore_errors=True)
                self._refuse(version, tags, str(error))
            raise

    def close(self) -> None:
        shutil.rmtree(self.bucket.folder, ignore_errors=True)

    def _fetched(self, version: str) -> Path:
        metadata_tag, data = self._metadata(version)
        name, entry = _model_file(version, data)
        answer = self._get(version, name)
        folder, tags = self.bucket.folder / version, (metadata_tag, answer["ETag"])
        with closing(answer["Body"]) as body:
            refused_for, why = self._refused.get(version, (None, ""))
            if refused_for == tags:
                raise ModelError(why)
            self._make_room(entry.bytes)
            incoming = Path(tempfile.mkdtemp(prefix=".incoming-", dir=self.bucket.folder))
            try:
                if answer["ContentLength"] != entry.bytes or _copied(body, incoming / name) != entry.sha256:
                    why = f"{version}: {name} does not have the size and digest that metadata.json records"
                    self._refuse(version, tags, why)
                    raise ModelError(why)
                (incoming / METADATA).write_bytes(data)
                with self._lock:
                    # another request may have fetched it meanwhile
                    if version not in self._copies:
                        incoming.rename(folder)
                        self._copies[version] = tags
            finally:
                shutil.rmtree(incoming, ignore_errors=True)
        log.info("fetched model %s from %s, %d bytes", version, self._address, entry.bytes)
        return folder

    def _metadata(self, version: str) -> tuple[str, bytes]:
        answer = self._get(version, METADATA)
        with closing(answer["Body"]) as body:
            data = body.read(MAX_METADATA + 1)
        if len(data) > MAX_METADATA:
            raise ModelError(f"{version}: {METADATA} is larger than {MAX_METADATA} bytes")
        return answer["ETag"], data

    def _get(self, version: str, name: str) -> dict[str, Any]:
        key = self._address.key(f"{version}/{name}")
        answer: dict[str, Any] = self._s3.get_object(Bucket=self._address.bucket, Key=key)
        return answer

    def _make_room(self, size: int) -> None:
        with self._lock:
            while self._copies and (len(self._copies) >= KEPT or self._bytes() + size > KEPT_BYTES):
                version, _ = self._copies.popitem(last=False)
                shutil.rmtree(self.bucket.folder / version, ignore_errors=True)

    def _bytes(self) -> int:
        return sum(file.stat().st_size for file in self.bucket.folder.glob("v*/*"))

    def _refuse(self, version: str, tags: _Tags, why: str) -> None:
        with self._lock:
            self._refused[version] = tags, why
            if len(self._refused) > _MOST_REFUSED:
                self._refused.popitem(last=False)


def _model_file(version: str, metadata: bytes) -> tuple[str, FileEntry]:
    try:
        described = read_metadata(metadata)
    except ValueError as error:
        raise ModelError(f"{version}: {error}") from error
    name = described.model_file
    entry = described.files.get(name)
    if entry is None or Path(name).name != name:
        raise ModelError(f"{version}: {METADATA} lists no file {name!r} in its folder")
    if not 0 <= entry.bytes <= MAX_MODEL:
        raise ModelError(f"{version}: {name} is larger than {MAX_MODEL} bytes")
    return name, entry


def _copied(body: Any, target: Path) -> str:
    """The SHA-256 of what was copied. Raises one of FAULTS."""
    digest = hashlib.sha256()
    with target.open("xb") as file:
        for chunk in body.iter_chunks(_CHUNK):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()
