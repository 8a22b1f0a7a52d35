"""A device that speaks the updater's protocol as capacitor-updater 8.51 does, and behaves badly with bundles on request."""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tests.contracts.programs import Answer

BUILTIN = "builtin"


class Behaviour(Enum):
    """What a device does with one bundle."""

    GOOD = auto()
    NO_BOOT = auto()
    """The page never comes up; the updater waits in vain, goes back and reports it."""
    REVERTS_MUTELY = auto()
    """The same, but the report is lost."""
    SILENT = auto()
    """The page never speaks, and the updater takes the word of the page before for its own: it stays."""
    CRASHES = auto()
    """It boots, speaks, and crashes, at every start."""
    SLOW = auto()
    """It speaks only when it is opened for the third time."""
    WRONG_CHECKSUM = auto()
    """What arrives is not what was sent."""


Ask = Callable[[str, str, "bytes | None"], Answer]
"""Method, path and body → what is answered. Raises OSError where nobody does."""


class Refused(Exception):
    """What was delivered is not what the key's owner signed."""


@dataclass(slots=True)
class Device:
    """A device and its updater. `behaves` says what it does with which bundle; with all others it does well.

    `clock_off` are the seconds that its clock is wrong by; `repeats` says everything so many times.
    """

    id: str
    ask: Ask
    behaves: Mapping[str, Behaviour] = field(default_factory=dict)
    native: tuple[str, str] = ("1.0.0", "1")
    public_key: str | None = None
    clock_off: float = 0.0
    repeats: int = 1
    running: str = BUILTIN
    before: str = BUILTIN
    next: str | None = None
    met: list[str] = field(default_factory=list)
    """The bundles that it ran, in order."""
    broken: set[str] = field(default_factory=set)
    """The updater's own memory of versions that failed; it never takes one of them again."""
    errs_at: Callable[[int], bool] = lambda _: False
    """Whether the page meets an error at this start of the app, by its number."""
    starts: int = 0
    last: Answer | None = None

    def open(self, now: float) -> None:
        """The app comes to the front at `now`: a bundle that waits is shown, then the updater asks for another."""
        came = self.next if self.next not in (None, self.running) else None
        if came is not None:
            self.before, self.running, self.next = self.running, came, None
            self.met.append(came)
            self._report("set", came, now)
        self.starts += 1
        behaviour = self.behaves.get(self.running, Behaviour.GOOD)
        self._check_in(now)
        if behaviour in (Behaviour.NO_BOOT, Behaviour.REVERTS_MUTELY):
            self._go_back(now, tell=behaviour is Behaviour.NO_BOOT)
            return
        if behaviour is Behaviour.SILENT or (behaviour is Behaviour.SLOW and self.starts % 3):
            return
        self._speak()
        if behaviour is Behaviour.CRASHES:
            self._report("app_crash", self.running, now)
        if self.errs_at(self.starts):
            self._report("webview_javascript_error", self.running, now)

    def flood(self, now: float, times: int) -> list[int]:
        """The statuses of so many check-ins in a row."""
        statuses = []
        for _ in range(times):
            self._check_in(now)
            assert self.last is not None
            statuses.append(self.last.status)
        return statuses

    def _check_in(self, now: float) -> None:
        said = {**self._info(), "version_name": self.running}
        for _ in range(self.repeats):
            self.last = self._post("/ota/updates", said)
        assert self.last is not None
        if self.last.status != 200:
            return
        answer = self.last.json()
        version = answer.get("version")
        if "kind" in answer or "error" in answer or version in (None, self.running):
            return
        if version == BUILTIN:
            self.next = BUILTIN
        elif version not in self.broken and version != self.next:
            self._download(answer, now)

    def _download(self, answer: Mapping[str, str], now: float) -> None:
        reply = self.ask("GET", urlsplit(answer["url"]).path, None)
        content = reply.body
        version = answer["version"]
        if reply.status != 200:
            self._report("download_fail", self.running, now)
            return
        spoilt = self.behaves.get(version) is Behaviour.WRONG_CHECKSUM
        if spoilt:
            content = content[:-1] + bytes([content[-1] ^ 1])
        try:
            if spoilt and self.public_key is None:
                raise Refused
            unpacked = opened(answer, content, self.public_key)
        except Refused:
            # said with the name of the bundle that runs, as the updater does
            self._report("checksum_fail", self.running, now)
            return
        assert unpacked is None or "index.html" in unpacked
        self.next = version

    def _go_back(self, now: float, *, tell: bool) -> None:
        failed, self.running, self.next = self.running, self.before, None
        self.broken.add(failed)
        if tell:
            self._report("app_launch_timeout", failed, now)
            self._report("update_fail", failed, now)

    def _speak(self) -> None:
        word = {
            "device_id": self.id,
            "version": self.running,
            "session_id": f"{self.id[:40]}.{self.starts}",
            "file": "",
        }
        for _ in range(self.repeats):
            self._post("/ota/started", word)

    def _report(self, action: str, version: str, now: float) -> None:
        stamp = round(1000 * (now + self.clock_off))
        stat = {**self._info(), "version_name": version, "action": action, "timestamp": stamp}
        for _ in range(self.repeats):
            self._post("/ota/stats", [stat])

    def _info(self) -> dict[str, object]:
        version, build = self.native
        return {"platform": "android", "device_id": self.id, "app_id": "com.example.ontime", "custom_id": "",
                "version_build": version, "version_code": build, "version_os": "15", "plugin_version": "8.51.23",
                "is_emulator": False, "is_prod": True, "defaultChannel": "prod"}  # fmt: skip

    def _post(self, path: str, body: object) -> Answer:
        return self.ask("POST", path, json.dumps(body).encode())


def opened(answer: Mapping[str, str], content: bytes, public_key: str | None) -> list[str] | None:
    """The names of the files in what was delivered; None without a public key, where nothing is looked at.

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
        return archive.namelist()


def over_http(address: str) -> Ask:
    """Asks the environment's router, or a task, at `http://HOST:PORT`; a connection for each request, as phones come and go."""
    host, port = urlsplit(address).hostname, urlsplit(address).port

    def ask(method: str, path: str, body: bytes | None) -> Answer:
        connection = http.client.HTTPConnection(host or "", port, timeout=10)
        try:
            connection.request(method, path, body, {"content-type": "application/json"} if body else {})
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    return ask
