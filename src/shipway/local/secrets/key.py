"""The key that secrets are sealed with: in a file of the user's own outside of the state, or given by the environment."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import stat
import tempfile
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from shipway.core.errors import Refused, ShipwayError

VARIABLE = "SHIPWAY_SECRETS_KEY"
_BYTES = 32
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SHAPE = "32 bytes in base64, as `openssl rand -base64 32` prints them"


@dataclass(frozen=True, slots=True)
class Key:
    """32 bytes, and a short name that tells keys apart without telling anything of them."""

    secret: bytes
    id: str

    @classmethod
    def read(cls, text: str, where: str) -> Self:
        """The key of a text. Raises Refused for anything but 32 bytes in base64; `where` says where it stood."""
        try:
            secret = base64.b64decode(text.strip(), validate=True)
        except (binascii.Error, ValueError):
            secret = b""
        if len(secret) != _BYTES:
            raise Refused(f"{where} holds no key: a key is {_SHAPE}", fix=f"put the right key into {where}")
        return cls(secret, hashlib.sha256(b"shipway secrets\0" + secret).hexdigest()[:8])


class Keys:
    """Finds the key, and makes one where there never was any. One key serves all apps of a user."""

    def __init__(self, file: Path, given: str | None = None) -> None:
        self._file = file
        self._given = given

    @classmethod
    def of_machine(cls, variables: MutableMapping[str, str]) -> Self:
        """The keys of this user. A key that the environment gives is taken out of it: no child is to inherit it."""
        return cls(key_file(variables), variables.pop(VARIABLE, None) or None)

    @property
    def where(self) -> str:
        """Where the key is looked for."""
        return VARIABLE if self._given is not None else str(self._file)

    def find(self) -> Key | None:
        """The key, or None where there is none. Raises Refused for a file that others may read, or that holds none."""
        if self._given is not None:
            return Key.read(self._given, VARIABLE)
        try:
            descriptor = os.open(self._file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ShipwayError(f"the key {self._file} can't be read: {error.strerror}") from error
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid():
                raise Refused(f"the key {self._file} is not a file of your own", fix=f"ls -l {self._file}")
            if stat.S_IMODE(found.st_mode) & _OTHERS:
                raise Refused(
                    f"the key {self._file} can be read by others (mode {stat.S_IMODE(found.st_mode):04o})",
                    fix=f"chmod 600 {self._file}; if somebody may have read it, set every secret to a new value",
                )
            return Key.read(file.read(1024).decode("ascii", "replace"), str(self._file))

    def make(self) -> Key:
        """A new key, or the one that somebody else has just made. It is in its file before it is used."""
        folder = self._file.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{self._file.name}.", dir=folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(base64.b64encode(secrets.token_bytes(_BYTES)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            # A link, not a rename: of two that make one at once, the second finds the first one's.
            with suppress(FileExistsError):
                os.link(name, self._file)
        finally:
            Path(name).unlink(missing_ok=True)
        found = self.find()
        assert found is not None
        return found


def key_file(variables: Mapping[str, str]) -> Path:
    """`shipway/secrets.key` in the user's folder of configuration."""
    config = variables.get("XDG_CONFIG_HOME", "")
    return (Path(config) if config.startswith("/") else Path.home() / ".config") / "shipway" / "secrets.key"
