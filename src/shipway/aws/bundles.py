"""Bundles on AWS: a bucket in S3, a parameter for each environment, and counts that the tasks themselves write to S3.

`VERSION/{bundle.zip, metadata.json, calls.json, maps/}` as on one machine; a bundle is there when its metadata is.
`builds/<inputs>.json` says what was built of which inputs; below `counts/<environment>` lies what tasks report.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from shipway.aws.calls import AwsError, Calls
from shipway.aws.names import Names
from shipway.aws.parameters import Parameters
from shipway.core.apps.called import read_calls
from shipway.core.apps.crashes import Crashes
from shipway.core.apps.gate import CalledApi, Foreseen
from shipway.core.contract.bundles import VERSION, Bundle, BundlesError, Offer, Told, read_bundle, read_offer, read_told
from shipway.core.description.device_app import DeviceApp
from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.core.ports.building import Bundles
from shipway.core.ports.telling import Tell
from shipway.core.releases.release import Commit

ZIP, METADATA, CALLS = "bundle.zip", "metadata.json", "calls.json"
STALE = 300.0
"""Seconds after which what tasks reported counts as unknown: they report every half minute."""
_LARGEST = 8 << 20
"""Bytes of an object that is read whole; the zip alone may be larger."""
_ABSENT = frozenset({"NoSuchKey", "404", "NotFound"})
_LOST = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})


class AwsBundles(Bundles):
    """The bundles of one app."""

    def __init__(self, calls: Calls, names: Names, parameters: Parameters) -> None:
        self._calls, self._names, self._parameters = calls, names, parameters
        self._bucket = names.bundles_bucket

    def prepare(self, commit: Commit, name: str, app: DeviceApp, tell: Tell) -> None:  # noqa: ARG002
        raise _built_elsewhere()

    def build(self, commit: Commit, name: str, app: DeviceApp, tell: Tell) -> Bundle:  # noqa: ARG002
        raise _built_elsewhere()

    def foresee(self, commit: Commit, name: str, app: DeviceApp) -> Foreseen:  # noqa: ARG002
        raise _built_elsewhere()

    def versions(self) -> Sequence[Bundle]:
        keys = self._calls.pages("s3", "list_objects_v2", "CommonPrefixes", Bucket=self._bucket, Delimiter="/")
        names = [str(entry["Prefix"]).removesuffix("/") for entry in keys]
        # A folder without metadata is a bundle that is being put there, or whose putting was killed.
        found = [self._bundle(name) for name in names if VERSION.fullmatch(name) and self._is_there(name)]
        return sorted(found, key=lambda bundle: (-bundle.built_at, bundle.version))

    def bundle(self, version: str) -> Bundle:
        if VERSION.fullmatch(version) is None or not self._is_there(version):
            raise UsageError(f"no bundle {version[:60]!r}", fix="shipway app list")
        return self._bundle(version)

    def calls(self, version: str) -> Mapping[str, CalledApi]:
        self.bundle(version)
        try:
            return read_calls(self._whole(version, CALLS))
        except ValueError as error:
            raise self._damaged(version, f"{CALLS}: {error}") from error

    def verify(self, version: str, content: str) -> None:
        bundle = self.bundle(version)
        if bundle.content != content:
            raise Refused(f"bundle {version} has another content than its release", fix="deploy its commit again")
        if self._digest(f"{version}/{ZIP}") != bundle.digest:
            raise Refused(f"bundle {version} was changed in S3 after its build", fix="deploy its commit again")

    def add(self, folder: Path) -> Bundle:
        """Put a bundle there that was built in `folder`, its metadata last; what lies there whole stays.

        What it calls is what the newest build says. Answers the bundle that is there then.
        """
        made = read_bundle((folder / METADATA).read_bytes())
        if self._is_whole(made):
            there = self._bundle(made.version)
        else:
            there = made
            for path in sorted(folder.rglob("*")):
                name = path.relative_to(folder).as_posix()
                if path.is_file() and name != METADATA:
                    self._put(f"{made.version}/{name}", path.read_bytes())
        noted = replace(there, uses=made.uses)
        self._put(f"{made.version}/{CALLS}", (folder / CALLS).read_bytes())
        self._put(f"{made.version}/{METADATA}", noted.text().encode())
        return noted

    def built(self, inputs: str) -> Bundle | None:
        """What was built of these inputs (their SHA-256) before, if it is still whole."""
        try:
            version = json.loads(self._read(f"builds/{inputs}.json"))["version"]
            bundle = self.bundle(version)
            self.verify(version, bundle.content)
        except AwsError as error:
            if error.code in _ABSENT:
                return None
            raise
        except (ValueError, KeyError, TypeError, UsageError, Refused):
            return None
        return bundle

    def note_built(self, inputs: str, version: str) -> None:
        """Keep that these inputs made this bundle."""
        self._put(f"builds/{inputs}.json", json.dumps({"version": version}).encode())

    def offer(self, environment: str, offer: Offer) -> None:
        name, text = self._names.offer(environment), offer.text()
        found = self._parameters.get(name)
        if found is None:
            raise ShipwayError(
                f"there is no parameter {name}, which says what devices are offered",
                fix=f"shipway --target aws infra apply {environment}",
            )
        if found.value != text:
            self._parameters.put(name, text)

    def offered(self, environment: str) -> Offer | None:
        found = self._parameters.get(self._names.offer(environment))
        try:
            return read_offer(found.value) if found is not None else None
        except BundlesError:
            return None

    def failures(self, environment: str) -> Mapping[str, int]:
        # Tasks report to S3 twice a minute, and a look is started by a schedule: there is nothing cheaper to ask.
        raise ShipwayError(f"failures alone are not reported in {environment}", fix="ask for everything that is told")

    def told(self, environment: str) -> Told:
        unknown = f"what became of bundles in {environment} is unknown: "
        key = f"counts/{environment}/bundles.json"
        try:
            answer = self._calls.call("s3", "get_object", Bucket=self._bucket, Key=key)
        except AwsError as error:
            if error.code in _ABSENT:
                raise ShipwayError(f"{unknown}no task has reported yet", fix="shipway --target aws status") from error
            raise
        with closing(answer["Body"]) as body:
            text = body.read(_LARGEST)
        if (age := _age(answer)) > STALE:
            raise ShipwayError(
                f"{unknown}tasks reported {age / 60:.0f} minutes ago for the last time",
                fix=f"shipway --target aws logs --env {environment}",
            )
        try:
            return read_told(text)
        except BundlesError as error:
            raise ShipwayError(
                f"{unknown}s3://{self._bucket}/{key}: {error}", fix="shipway --target aws status"
            ) from error

    def crashes(self, environment: str) -> Crashes:
        raise Refused(
            f"app crashes on AWS: tasks report the counts of bundles, not yet the errors on devices in {environment}",
            fix=f"shipway --target aws app show --env {environment}",
            state="nothing changed",
        )

    # -- objects ----------------------------------------------------------------------------------------------------

    def _bundle(self, version: str) -> Bundle:
        try:
            found = read_bundle(self._whole(version, METADATA))
        except BundlesError as error:
            raise self._damaged(version, f"{METADATA}: {error}") from error
        if found.version != version:
            raise self._damaged(version, f"{METADATA} is that of {found.version}")
        return found

    def _is_whole(self, bundle: Bundle) -> bool:
        try:
            self.verify(bundle.version, bundle.content)
        except (Refused, UsageError):
            return False
        return True

    def _is_there(self, version: str) -> bool:
        return self._head(f"{version}/{METADATA}") is not None

    def _digest(self, key: str) -> str:
        """SHA-256 of an object, as S3 knows it where it does. Empty where there is none."""
        head = self._head(key)
        if head is None:
            return ""
        if known := head.get("ChecksumSHA256", ""):
            return base64.b64decode(known).hex()
        digest = hashlib.sha256()
        for chunk in self._chunks(key):
            digest.update(chunk)
        return digest.hexdigest()

    def _whole(self, version: str, name: str) -> bytes:
        try:
            return self._read(f"{version}/{name}")
        except AwsError as error:
            if error.code in _ABSENT:
                raise self._damaged(version, f"{name} is missing") from error
            raise

    def _read(self, key: str) -> bytes:
        with closing(self._calls.call("s3", "get_object", Bucket=self._bucket, Key=key)["Body"]) as body:
            found: bytes = body.read(_LARGEST + 1)
        if len(found) > _LARGEST:
            raise Refused(f"s3://{self._bucket}/{key} is larger than {_LARGEST:,} bytes", fix="deploy its commit again")
        return found

    def _chunks(self, key: str) -> Iterator[bytes]:
        with closing(self._calls.call("s3", "get_object", Bucket=self._bucket, Key=key)["Body"]) as body:
            yield from body.iter_chunks(1 << 20)

    def _head(self, key: str) -> dict[str, Any] | None:
        try:
            return self._calls.call("s3", "head_object", Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")
        except AwsError as error:
            if error.code in _ABSENT:
                return None
            raise

    def _put(self, key: str, body: bytes) -> None:
        """Put an object, which S3 refuses unless it arrives whole."""
        checksum = base64.b64encode(hashlib.sha256(body).digest()).decode()
        self._calls.call(
            "s3", "put_object", Bucket=self._bucket, Key=key, Body=body, ChecksumAlgorithm="SHA256",
            ChecksumSHA256=checksum,
        )  # fmt: skip

    @staticmethod
    def _damaged(version: str, why: str) -> Refused:
        return Refused(f"bundle {version} is damaged: {why}", fix="deploy its commit again")


def _age(answer: Mapping[str, Any]) -> float:
    """Seconds since the object was written, by S3's own clock where it tells that."""
    answered = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    now = parsedate_to_datetime(answered) if answered else datetime.now(UTC)
    return float((now - answer["LastModified"]).total_seconds())


def _built_elsewhere() -> Refused:
    return Refused("bundles are built by the pipeline on AWS", fix="shipway --target aws deploy")
