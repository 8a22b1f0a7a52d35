"""The values of secrets in one file of the state, each sealed by itself: who has the file alone reads no value."""

from __future__ import annotations

import base64
import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shipway.core.errors import Refused, ShipwayError
from shipway.core.ports.state import Secrets
from shipway.core.secrets.secret import StoredSecret
from shipway.local.files.atomic_file import write_atomically
from shipway.local.files.file_lock import locked
from shipway.local.secrets.key import Key, Keys

_FORMAT = 1
_NONCE = 12
_LOCK_WAIT = 10.0


class Damaged(ShipwayError):
    """A value that is not what was sealed."""


@dataclass
class _Content:
    """The file: the key's name, and environment → name → `version`, `set_at`, `sealed`."""

    key: str | None = None
    environments: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return [f"{name} in {environment}" for environment, held in self.environments.items() for name in held]


class SealedSecrets(Secrets):
    """AES-256-GCM; environment, name and version are authenticated too, so that no value passes for another one's."""

    def __init__(self, file: Path, keys: Keys) -> None:
        self._file = file
        self._keys = keys

    def list(self, environment: str) -> Sequence[StoredSecret]:
        held = self._read().environments.get(environment, {})
        return [StoredSecret(name, one["version"], one["set_at"]) for name, one in sorted(held.items())]

    def set(self, environment: str, name: str, value: str) -> StoredSecret:
        """The same value again changes nothing."""
        with self._changing() as content:
            key = self._key(content) or self._keys.make()
            held = content.environments.setdefault(environment, {})
            if name in held and _is(key, environment, name, held[name], value):
                return StoredSecret(name, held[name]["version"], held[name]["set_at"])
            stored = StoredSecret(name, uuid.uuid4().hex, time.time())
            content.key = key.id
            held[name] = {
                "version": stored.version,
                "set_at": stored.set_at,
                "sealed": _sealed(key, environment, name, stored.version, value),
            }
            self._write(content)
        return stored

    def unset(self, environment: str, name: str) -> None:
        with self._changing() as content:
            if content.environments.get(environment, {}).pop(name, None) is not None:
                content.environments = {place: held for place, held in content.environments.items() if held}
                self._write(content)

    def values(self, environment: str, names: Sequence[str]) -> Mapping[str, str]:
        """What a task gets. Raises Refused for a secret without a value, or where the key is gone."""
        if not names:
            return {}
        content = self._read()
        held = content.environments.get(environment, {})
        if missing := [name for name in names if name not in held]:
            commands = [f"shipway secrets set {name} --env {environment}" for name in missing]
            raise Refused(f"no value is set for {', '.join(missing)} in {environment}", fix=", then ".join(commands))
        key = self._key(content)
        assert key is not None
        return {name: _opened(key, environment, name, held[name]) for name in names}

    def check(self) -> None:
        """The key has to be the one that the values are sealed with; no value is read."""
        self._key(self._read())

    def _key(self, content: _Content) -> Key | None:
        """The key that the file's values are sealed with; None where there is neither key nor value."""
        found = self._keys.find()
        if not content.names or (found is not None and found.id == content.key):
            return found
        what = "is gone" if found is None else f"is another one: {found.id}"
        raise Refused(
            f"the secrets of this app are sealed with the key {content.key}, and the one in {self._keys.where} {what}",
            fix=f"put that key back into {self._keys.where}. If it is lost, nobody can read the values any more: "
            f"rm {self._file}, then shipway secrets set … for each: {', '.join(content.names)}",
            state="tasks that run go on; none that needs a secret can be started",
        )

    @contextmanager
    def _changing(self) -> Iterator[_Content]:
        """What the file holds, while nobody else changes it."""
        with locked(self._file.with_name(f"{self._file.name}.lock"), _LOCK_WAIT, "changing a secret"):
            yield self._read()

    def _read(self) -> _Content:
        try:
            read = json.loads(self._file.read_bytes())
            if read["format"] != _FORMAT:
                raise ShipwayError(f"{self._file} is of a newer Shipway (format {read['format']})", fix="use that one")
            return _Content(read["key"], read["environments"])
        except FileNotFoundError:
            return _Content()
        except (ValueError, KeyError, TypeError) as error:
            raise ShipwayError(
                f"{self._file} is damaged: {type(error).__name__}",
                fix=f"put a copy back, or rm {self._file} and set every secret again",
            ) from error

    def _write(self, content: _Content) -> None:
        written = {"format": _FORMAT, "key": content.key, "environments": content.environments}
        write_atomically(self._file, json.dumps(written, indent=1).encode())


def _sealed(key: Key, environment: str, name: str, version: str, value: str) -> str:
    nonce = os.urandom(_NONCE)
    sealed = AESGCM(key.secret).encrypt(nonce, value.encode(), _belongs_to(environment, name, version))
    return base64.b64encode(nonce + sealed).decode()


def _is(key: Key, environment: str, name: str, held: Mapping[str, Any], value: str) -> bool:
    try:
        return _opened(key, environment, name, held) == value
    except Damaged:
        return False


def _opened(key: Key, environment: str, name: str, held: Mapping[str, Any]) -> str:
    """The value. Raises Damaged where it is not what was sealed."""
    try:
        sealed = base64.b64decode(held["sealed"], validate=True)
        told = _belongs_to(environment, name, held["version"])
        return AESGCM(key.secret).decrypt(sealed[:_NONCE], sealed[_NONCE:], told).decode()
    except (InvalidTag, ValueError, KeyError) as error:
        raise Damaged(
            f"the value of {name} in {environment} is damaged", fix=f"shipway secrets set {name} --env {environment}"
        ) from error


def _belongs_to(environment: str, name: str, version: str) -> bytes:
    return json.dumps([environment, name, version]).encode()
