"""Parameter Store: values with a history. The model version is one; what Terraform tells a rollout are others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shipway.aws.calls import AwsError, Calls


@dataclass(frozen=True, slots=True)
class Parameter:
    """One version of a parameter: its number, who wrote it (an ARN, where AWS tells) and when (Unix time)."""

    name: str
    value: str
    version: int
    at: float
    by: str = ""


class Parameters:
    """The parameters of one region."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def get(self, name: str) -> Parameter | None:
        """The newest version, or None where there is no such parameter."""
        try:
            found = self._calls.call("ssm", "get_parameter", Name=name)["Parameter"]
        except AwsError as error:
            if error.code == "ParameterNotFound":
                return None
            raise
        return _parameter(name, found)

    def put(self, name: str, value: str) -> int:
        """Write a new version; its number. The parameter must exist: Terraform makes them."""
        return int(self._calls.call("ssm", "put_parameter", Name=name, Value=value, Overwrite=True)["Version"])

    def history(self, name: str, limit: int = 50) -> tuple[Parameter, ...]:
        """The newest `limit` versions, newest first; none where there is no such parameter."""
        try:
            pages = self._calls.pages("ssm", "get_parameter_history", "Parameters", Name=name)
            found = [_parameter(name, entry) for entry in pages]
        except AwsError as error:
            if error.code == "ParameterNotFound":
                return ()
            raise
        return tuple(sorted(found, key=lambda entry: -entry.version)[:limit])


def _parameter(name: str, found: Mapping[str, Any]) -> Parameter:
    at = found["LastModifiedDate"].timestamp()
    return Parameter(name, found["Value"], int(found["Version"]), at, found.get("LastModifiedUser", ""))
