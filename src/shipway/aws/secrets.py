"""Secrets in Secrets Manager: one place for each name below `/<app>/<environment>/`, made by Terraform.

Values go in. Nothing here asks for one back (GetSecretValue): tasks are handed them by ECS, by reference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from shipway.aws.calls import AwsError, Calls
from shipway.aws.names import Names
from shipway.core.description import VARIABLE
from shipway.core.errors import Refused, ShipwayError
from shipway.core.ports.state import Secrets
from shipway.core.secrets.secret import StoredSecret

CURRENT = "AWSCURRENT"
"""The stage of the version that tasks are handed."""
RECOVERY_DAYS = 7
_READ_BACK, _LOOK = 10, 0.5


class SecretsManager(Secrets):
    """The secrets of one app. Errors are those of `Calls`."""

    def __init__(self, calls: Calls, names: Names) -> None:
        self._calls = calls
        self._names = names

    def list(self, environment: str) -> Sequence[StoredSecret]:
        above = self._names.secret(environment, "")
        filters = [{"Key": "name", "Values": [above]}]
        found: list[StoredSecret] = []
        for entry in self._calls.pages("secretsmanager", "list_secrets", "SecretList", Filters=filters):
            name = str(entry["Name"]).removeprefix(above)
            # Others are the database's, or places that no value was put into.
            if entry["Name"] == above + name and re.fullmatch(VARIABLE, name):
                version = _current(entry.get("SecretVersionsToStages") or {})
                if version is not None and "DeletedDate" not in entry:
                    found.append(StoredSecret(name, version, _changed(entry)))
        return sorted(found, key=lambda secret: secret.name)

    def set(self, environment: str, name: str, value: str) -> StoredSecret:
        """The same value again is a new version: AWS is not asked what it holds."""
        place = self._names.secret(environment, name)
        found = self._find(place)
        if found is None:
            raise Refused(
                f"there is no place for {name} in {environment}: Secrets Manager has no secret {place}",
                fix=f"name it (`secrets: [{name}]` of a service in shipway.yaml), then apply infra/environments/"
                f"{environment}: Terraform makes the place, with the environment's key",
                state="nothing changed",
            )
        if "DeletedDate" in found:
            self._call("restore_secret", SecretId=place)
        version = str(self._call("put_secret_value", SecretId=place, SecretString=value)["VersionId"])
        return self._read_back(place, name, version)

    def unset(self, environment: str, name: str) -> None:
        """The place is deleted, with its value, after 7 days; until then `set` brings it back."""
        place = self._names.secret(environment, name)
        found = self._find(place)
        if found is not None and "DeletedDate" not in found and _current(found.get("VersionIdsToStages") or {}):
            self._call("delete_secret", SecretId=place, RecoveryWindowInDays=RECOVERY_DAYS)

    def check(self) -> None:
        """AWS holds the key."""

    def _read_back(self, place: str, name: str, version: str) -> StoredSecret:
        for _ in range(_READ_BACK):
            found = self._find(place) or {}
            if _current(found.get("VersionIdsToStages") or {}) == version:
                return StoredSecret(name, version, _changed(found))
            self._calls.sleep(_LOOK)
        raise ShipwayError(
            f"{place}: AWS took the value, and does not show it as the current one after {_READ_BACK * _LOOK:g} s",
            fix="somebody else may have set another one: shipway secrets list, then set it again",
        )

    def _find(self, place: str) -> Mapping[str, Any] | None:
        try:
            return self._call("describe_secret", SecretId=place)
        except AwsError as error:
            if error.code == "ResourceNotFoundException":
                return None
            raise

    def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        return self._calls.call("secretsmanager", operation, **request)


def _current(versions: Mapping[str, Sequence[str]]) -> str | None:
    return next((version for version, stages in versions.items() if CURRENT in stages), None)


def _changed(entry: Mapping[str, Any]) -> float:
    at = entry.get("LastChangedDate") or entry["CreatedDate"]
    return float(at.timestamp())
