"""A device with the app: it asks for bundles and tells of them by the protocol of capacitor-updater 8.51."""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from shipway.core.contract.bundles import BUILTIN
from shipway.demo.exchange import Answer

INDEX = "index.html"
_SCRIPT = re.compile(r"""<script\b[^>]*\bsrc=["'](?:\./)?([^"':?#]+)["'?#]""")

Files = Mapping[str, bytes]
Ask = Callable[[str, str, "bytes | None"], Answer]
"""Method, path and body → what is answered. Raises OSError where nobody does."""


class Refused(Exception):
    """What was delivered is not what the key's owner signed."""


@dataclass(slots=True)
class Device:
    """A device and its updater. A bundle starts on it if the scripts that its page names are there.

    Without a public key nothing that is delivered is looked at. `native` is the version and the build of its shell.
    """

    id: str
    ask: Ask
    public_key: str | None = None
    native: tuple[str, str] = ("1.0.0", "1")
    running: str = BUILTIN
    before: str = BUILTIN
    next: str | None = None
    met: list[str] = field(default_factory=list)
    """The bundles that it ran, in order."""
    broken: set[str] = field(default_factory=set)
    """The updater's own memory of versions that failed; it never takes one of them again."""
    starts: int = 0
    last: Answer | None = None
    """What its last check-in was answered."""
    _bootable: dict[str, bool] = field(default_factory=dict)

    def open(self, now: float) -> None:
        """The app comes to the front at `now`: a bundle that waits is shown, then the updater asks for another."""
        came = self.next if self.next not in (None, self.running) else None
        if came is not None:
            self.before, self.running, self.next = self.running, came, None
            self.met.append(came)
            self._report("set", came, now)
        self.starts += 1
        self._check_in(now)
        self._use(now)

    @property
    def offered(self) -> str | None:
        """The version that its last check-in was answered with, if with any."""
        if self.last is None or self.last.status != 200:
            return None
        version = json.loads(self.last.body).get("version")
        return str(version) if version is not None else None

    def _use(self, now: float) -> None:
        """The page speaks; where it does not start, the updater waits in vain, goes back and reports it."""
        if self._bootable.get(self.running, True):
            self._speak()
        else:
            self._go_back(now, tell=True)

    def _check_in(self, now: float) -> None:
        self.last = self._post("/ota/updates", {**self._info(), "version_name": self.running})
        if self.last.status != 200:
            return
        answer = json.loads(self.last.body)
        version = answer.get("version")
        if "kind" in answer or "error" in answer or version in (None, self.running):
            return
        if version == BUILTIN:
            self.next = BUILTIN
        elif version not in self.broken and version != self.next:
            self._download(answer, now)

    def _download(self, answer: Mapping[str, str], now: float) -> None:
        reply = self.ask("GET", urlsplit(answer["url"]).path, None)
        if reply.status != 200:
            self._report("download_fail", self.running, now)
            return
        try:
            files = self._unpack(answer, reply.body)
        except Refused:
            # said with the name of the bundle that runs, as the updater does
            self._report("checksum_fail", self.running, now)
            return
        self._bootable[answer["version"]] = files is None or boots(files)
        self.next = answer["version"]

    def _unpack(self, answer: Mapping[str, str], content: bytes) -> Files | None:
        return opened(answer, content, self.public_key)

    def _go_back(self, now: float, *, tell: bool) -> None:
        failed, self.running, self.next = self.running, self.before, None
        self.broken.add(failed)
        if tell:
            self._report("app_launch_timeout", failed, now)
            self._report("update_fail", failed, now)

    def _speak(self) -> None:
        session = f"{self.id[:40]}.{self.starts}"
        word = {"device_id": self.id, "version": self.running, "session_id": session, "file": ""}
        self._post("/ota/started", word)

    def _report(self, action: str, version: str, now: float) -> None:
        stat = {**self._info(), "version_name": version, "action": action, "timestamp": round(1000 * now)}
        self._post("/ota/stats", [stat])

    def _info(self) -> dict[str, Any]:
        version, build = self.native
        return {
            "platform": "android", "device_id": self.id, "app_id": "com.example.app", "custom_id": "",
            "version_build": version, "version_code": build, "version_os": "15", "plugin_version": "8.51.23",
            "is_emulator": False, "is_prod": True, "defaultChannel": "prod",
        }  # fmt: skip

    def _post(self, path: str, body: object) -> Answer:
        return self.ask("POST", path, json.dumps(body).encode())


def boots(files: Files) -> bool:
    """Whether a page would come up: the scripts that it names are there.

    >>> boots({"index.html": b'<script src="app.js"></script>'})
    False
    """
    scripts = _SCRIPT.findall(files.get(INDEX, b"").decode(errors="replace"))
    return INDEX in files and all(script in files for script in scripts)


def opened(answer: Mapping[str, str], content: bytes, public_key: str | None) -> Files | None:
    """The files in what was delivered; None without a public key, where nothing is looked at.

    Raises Refused as the updater refuses: a wrong key, session key, checksum or byte.
    """
    if public_key is None:
        return None
    key = load_pem_public_key(public_key.encode())
    assert isinstance(key, RSAPublicKey)
    try:
        iv, session = (base64.b64decode(part) for part in answer["session_key"].split(":"))
        secret = key.recover_data_from_signature(session, PKCS1v15(), None)
        decryptor, unpadder = Cipher(AES(secret), CBC(iv)).decryptor(), PKCS7(128).unpadder()
        padded = decryptor.update(content) + decryptor.finalize()
        plain = unpadder.update(padded) + unpadder.finalize()
        expected = key.recover_data_from_signature(bytes.fromhex(answer["checksum"]), PKCS1v15(), None)
    except (KeyError, ValueError, InvalidSignature) as error:
        raise Refused from error
    if hashlib.sha256(plain).digest() != expected:
        raise Refused
    with zipfile.ZipFile(io.BytesIO(plain)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def over_http(address: str) -> Ask:
    """Asks what answers at `http://HOST:PORT`; a connection for each request, as phones come and go."""
    host, port = urlsplit(address).hostname, urlsplit(address).port

    def ask(method: str, path: str, body: bytes | None) -> Answer:
        connection = http.client.HTTPConnection(host or "", port, timeout=10)
        try:
            connection.request(method, path, body, {"content-type": "application/json"} if body else {})
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        except http.client.HTTPException as error:
            raise ConnectionError(f"no whole answer: {error!r}") from error
        finally:
            connection.close()

    return ask
