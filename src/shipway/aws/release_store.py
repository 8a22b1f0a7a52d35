"""What is remembered of releases and environments on AWS: JSON objects in one bucket, written conditionally.

`r<N>.json` is a release. Below an environment's name lie `history.json` (the releases that served, the last one serves),
`current.json` (its rollout), `command.json` (what a person asks of that), `offering.json` (the app's bundles on its devices)
and `audit/`. They hold core's records, as the
store of one machine does. Two writers never overwrite each other: S3 compares the mark (ETag) of what was read.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from shipway.aws.calls import AwsError, Calls
from shipway.aws.moving import Moving
from shipway.aws.names import Names
from shipway.core.apps.offering import Offering
from shipway.core.description.values import STORED
from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.core.events import AuditEntry
from shipway.core.releases.release import Release
from shipway.core.rollouts.records import EnvironmentRecord, PendingCommand

T = TypeVar("T")

LARGEST = 4 * 1024**2
"""Bytes of an object that is read; ours have some ten thousand."""
_LOST = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_ABSENT = frozenset({"NoSuchKey", "404", "NotFound"})
_KEY = re.compile(r"r([0-9]{1,9})\.json")


class LostRace(Refused):
    """Somebody else wrote the object since it was read; nothing was overwritten."""


@dataclass(frozen=True, slots=True)
class Kept(Generic[T]):
    """A record as it was read, with the mark that a later write of it must find unchanged."""

    record: T
    mark: str


class ReleaseStore:
    """Releases, histories, rollouts, commands and the audit of one app."""

    def __init__(self, calls: Calls, names: Names) -> None:
        self._calls = calls
        self._bucket = names.releases_bucket

    # -- releases ---------------------------------------------------------------------------------------------------

    def release(self, id: str) -> Release:
        """The release of that number (`r41`). Raises UsageError for an unknown one."""
        found = self._read(f"{id}.json", Release) if _KEY.fullmatch(f"{id}.json") else None
        if found is None:
            raise UsageError(f"there is no release {id!r}", fix="shipway releases")
        release: Release = found.record
        return release

    def release_ids(self) -> list[str]:
        """The numbers of all releases, newest first."""
        keys = self._calls.pages("s3", "list_objects_v2", "Contents", Bucket=self._bucket, Prefix="r")
        numbers = (int(found[1]) for entry in keys if (found := _KEY.fullmatch(entry["Key"])))
        return [f"r{number}" for number in sorted(numbers, reverse=True)]

    def releases(self, limit: int) -> list[Release]:
        """The newest releases, newest first."""
        return [self.release(id) for id in self.release_ids()[:limit]]

    def add_release(self, make: Callable[[str], Release]) -> Release:
        """Write `make(id)` under the next free number. Of two writers at once, each gets a number of its own."""
        newest = next(iter(self.release_ids()), "r0")
        for number in range(int(newest[1:]) + 1, int(newest[1:]) + 100):
            release = make(f"r{number}")
            try:
                self._write(f"{release.id}.json", release, None)
            except LostRace:
                continue
            return release
        raise ShipwayError("no free number for the release after 100 tries", fix="retry")

    # -- an environment's records -----------------------------------------------------------------------------------

    def history(self, environment: str) -> Kept[EnvironmentRecord] | None:
        """What the environment served; None before its first release."""
        return self._read(f"{environment}/history.json", EnvironmentRecord)

    def keep_history(self, record: EnvironmentRecord, mark: str | None) -> str:
        """Write it if it is still as it was read (`mark`; None: there is none yet). Raises LostRace."""
        return self._write(f"{record.name}/history.json", record, mark)

    def current(self, environment: str) -> Kept[Moving] | None:
        """The rollout under way, or the last one; None before the first."""
        return self._read(f"{environment}/current.json", Moving)

    def keep_current(self, record: Moving, mark: str | None) -> str:
        """Write it if it is still as it was read; the new mark. Raises LostRace."""
        return self._write(f"{record.rollout.environment}/current.json", record, mark)

    def command(self, environment: str) -> Kept[PendingCommand | None] | None:
        """What a person asks of the rollout: a record of None once it was taken up, None if there never was one."""
        return self._read(f"{environment}/command.json", PendingCommand | None)

    def order(self, command: PendingCommand) -> None:
        """Ask something of the rollout under way. Raises Refused after an abort, LostRace beside another order."""
        before = self.command(command.environment)
        if before is not None and before.record is not None and before.record.command == "abort":
            raise Refused(f"{command.environment}: {before.record.who} has aborted the rollout", fix="shipway status")
        self._write(f"{command.environment}/command.json", command, before.mark if before is not None else None)

    def take_command(self, environment: str) -> PendingCommand | None:
        """The command that waits, if one does; it is taken up by this. Raises LostRace when a newer one just came."""
        before = self.command(environment)
        if before is None or before.record is None:
            return None
        self._write(f"{environment}/command.json", None, before.mark)
        return before.record

    def offering(self, environment: str) -> Kept[Offering] | None:
        """What its devices are offered; None before the first bundle."""
        return self._read(f"{environment}/offering.json", Offering)

    def keep_offering(self, record: Offering, mark: str | None) -> str:
        """Write it if it is still as it was read; the new mark. Raises LostRace."""
        return self._write(f"{record.environment}/offering.json", record, mark)

    # -- audit ------------------------------------------------------------------------------------------------------

    def add_audit(self, entry: AuditEntry) -> None:
        """Append to the environment's audit: an object of its own, never overwritten."""
        at = datetime.fromtimestamp(entry.at, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self._write(f"{entry.environment or 'app'}/audit/{at}-{uuid.uuid4().hex[:8]}.json", entry, None)

    def audit(self, environment: str, limit: int) -> list[AuditEntry]:
        """The newest entries of an environment (`app`: of none), newest first."""
        prefix = f"{environment}/audit/"
        keys = sorted(self._keys(prefix), reverse=True)[:limit]
        return [kept.record for key in keys if (kept := self._read(key, AuditEntry)) is not None]

    # -- objects ----------------------------------------------------------------------------------------------------

    def _keys(self, prefix: str) -> Iterator[str]:
        for entry in self._calls.pages("s3", "list_objects_v2", "Contents", Bucket=self._bucket, Prefix=prefix):
            yield str(entry["Key"])

    def _read(self, key: str, kind: Any) -> Kept[Any] | None:
        try:
            answer = self._calls.call("s3", "get_object", Bucket=self._bucket, Key=key)
        except AwsError as error:
            if error.code in _ABSENT:
                return None
            if error.code == "NoSuchBucket":
                raise self._no_bucket() from error
            raise
        body = answer["Body"].read(LARGEST + 1)
        if len(body) > LARGEST:
            raise ShipwayError(f"s3://{self._bucket}/{key} is larger than {LARGEST} bytes", fix="look at the object")
        try:
            record = _adapter(kind).validate_json(body, context=STORED)
        except ValidationError as error:
            raise ShipwayError(
                f"s3://{self._bucket}/{key} is not what Shipway writes there ({error.error_count()} mistakes)",
                fix="bring its version before back (the bucket keeps versions), or upgrade Shipway",
            ) from error
        return Kept(record, str(answer["ETag"]))

    def _write(self, key: str, record: object, mark: str | None) -> str:
        condition = {"IfNoneMatch": "*"} if mark is None else {"IfMatch": mark}
        body = _adapter(type(record)).dump_json(record)
        try:
            answer = self._calls.call(
                "s3", "put_object", Bucket=self._bucket, Key=key, Body=body, ContentType="application/json", **condition
            )
        except AwsError as error:
            if error.code in _LOST:
                return self._ours(key, body, error)
            if error.code == "NoSuchBucket":
                raise self._no_bucket() from error
            raise
        return str(answer["ETag"])

    def _ours(self, key: str, body: bytes, error: AwsError) -> str:
        """The mark of what lies there if it is what we wrote: the answer to it was lost, and it was sent twice."""
        try:
            answer = self._calls.call("s3", "get_object", Bucket=self._bucket, Key=key)
        except AwsError:
            answer = {}
        if not answer or answer["Body"].read(LARGEST) != body:
            raise LostRace(
                f"s3://{self._bucket}/{key} was changed by somebody else meanwhile",
                fix="look (shipway status), then repeat the command",
                state="nothing was overwritten",
            ) from error
        return str(answer["ETag"])

    def _no_bucket(self) -> ShipwayError:
        return ShipwayError(
            f"there is no bucket {self._bucket}",
            fix="apply infra/app first (infra/README.md), or correct aws.account and aws.region in shipway.yaml",
        )


_adapters: dict[Any, TypeAdapter[Any]] = {}


def _adapter(kind: Any) -> TypeAdapter[Any]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]
