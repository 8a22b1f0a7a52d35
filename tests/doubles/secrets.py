"""Secrets in memory."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence

from shipway.core.ports.state import Secrets
from shipway.core.secrets.secret import StoredSecret


class FakeSecrets(Secrets):
    """Keeps values by environment and name, for tests to look at."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], str] = {}
        self._stored: dict[tuple[str, str], StoredSecret] = {}

    def list(self, environment: str) -> Sequence[StoredSecret]:
        return [secret for (place, _), secret in sorted(self._stored.items()) if place == environment]

    def set(self, environment: str, name: str, value: str) -> StoredSecret:
        key = (environment, name)
        if self.values.get(key) != value:
            self._stored[key] = StoredSecret(name, uuid.uuid4().hex, time.time())
        self.values[key] = value
        return self._stored[key]

    def unset(self, environment: str, name: str) -> None:
        self.values.pop((environment, name), None)
        self._stored.pop((environment, name), None)

    def check(self) -> None:
        """No key can be lost."""
