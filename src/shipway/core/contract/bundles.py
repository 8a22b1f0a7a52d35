"""Bundles of an app that devices load: their metadata, which of them devices are offered, and what became of that.

A bundle lies in its bucket as `VERSION/{bundle.zip, metadata.json}`. The offer is the text of a parameter that
Shipway writes for each environment; the service that answers devices reads it, and tells its counts on `GET /bundles`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .cohorts import is_within

BUILTIN = "builtin"
"""The bundle that came with the native app."""
SIGNING_KEY = "APP_SIGNING_KEY"
"""The secret with which the service that answers devices signs bundles: RSA-2048, PEM."""
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]{0,39}-[0-9a-f]{12}")
NATIVE = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}){0,3}")
LARGEST_OFFER = 4096
MOST_OLDER = 5
MOST_TAKEN_BACK = 10
LONGEST_REASON = 120
_MOST_VERSIONS = 1_000


class BundlesError(ValueError):
    """A text is not what was agreed on; the message says where, what was found and what is allowed."""


def version_of(package_version: str, content: str) -> str:
    """The version of a bundle: never two contents under one, as devices never retry a version that failed once.

    >>> version_of("1.0.0", "4f53cda18c2b" + "0" * 52)
    '1.0.0-4f53cda18c2b'
    """
    version = f"{package_version}-{content[:12]}"
    if VERSION.fullmatch(version) is None:
        raise BundlesError(f"found the package version {package_version!r}, allowed is one such as 1.2.0 or 1.2.0-rc.1")
    return version


def native_key(version: str) -> tuple[int, ...]:
    """The numeric order of native versions. Raises BundlesError.

    >>> native_key("1.10") > native_key("1.9.3"), native_key("1.0") == native_key("1")
    (True, True)
    """
    if NATIVE.fullmatch(version) is None:
        raise BundlesError(f"found the native version {version[:60]!r}, allowed is one such as 1.4 or 2.0.1")
    parts = [int(part) for part in version.split(".")]
    return tuple(parts + [0] * (4 - len(parts)))


def native_of(version: str, build: str) -> str:
    """The native version of a shell: its version and its build number, as builds of one version may differ in plugins.

    >>> native_of("1.0.0", "12"), native_of("1.4", "3")
    ('1.0.0.12', '1.4.0.3')
    """
    missing = ".0" * (2 - version.count("."))
    return f"{version}{missing}.{build}" if build else version


@dataclass(frozen=True, slots=True)
class Bundle:
    """The metadata of a bundle. `content` is the SHA-256 over its sorted paths and bytes, `digest` that of bundle.zip.

    `size` are the bytes of bundle.zip, `native` (see `native_of`) is the lowest native version that can run it,
    `built_at` is Unix time. `uses` are the operations, such as `GET /api/places`, that it calls of each service.
    """

    version: str
    content: str
    digest: str
    size: int
    native: str
    package_version: str
    commit: str
    built_at: float
    uses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def text(self) -> str:
        """The text of its metadata.json."""
        return json.dumps(asdict(self), indent=1, sort_keys=True)


def read_bundle(text: str | bytes) -> Bundle:
    """What a metadata.json says. Raises BundlesError."""
    found = _object(text, "metadata")
    _check_keys(found, Bundle.__dataclass_fields__, required=set(Bundle.__dataclass_fields__) - {"uses"})
    uses = found.get("uses", {})
    if not isinstance(uses, dict) or not all(
        isinstance(one, list) and all(map(_is_text, one)) for one in uses.values()
    ):
        raise _wrong("uses", uses, "operations by service")
    for key in ("content", "digest"):
        if not (_is_text(found[key]) and re.fullmatch(r"[0-9a-f]{64}", found[key])):
            raise _wrong(key, found[key], "a SHA-256, 64 hex digits")
    native_key(_text(found, "native"))
    return Bundle(
        version=_version("version", found["version"]),
        content=found["content"],
        digest=found["digest"],
        size=_count("size", found["size"]),
        native=found["native"],
        package_version=_text(found, "package_version"),
        commit=_text(found, "commit"),
        built_at=_number("built_at", found["built_at"]),
        uses={service: tuple(operations) for service, operations in uses.items()},
    )


@dataclass(frozen=True, slots=True)
class Offer:
    """Which bundles the devices of an environment are offered.

    `candidate` goes to `percent` of the devices, `stable` (which may be `builtin`) to the others. `older` are those that
    devices get whose native app is too old for these, newest first. `taken_back`: version → why no device may keep it.
    """

    stable: str = BUILTIN
    candidate: str | None = None
    percent: float = 0.0
    salt: str = ""
    taken_back: Mapping[str, str] = field(default_factory=dict)
    older: tuple[str, ...] = ()

    def choices(self, device: str) -> tuple[str, ...]:
        """What the device may get, best first: the first that its native app can run. The last one is `builtin`."""
        chosen = [self.stable, *self.older]
        if self.candidate is not None and is_within(device, self.percent, self.salt):
            chosen.insert(0, self.candidate)
        fine = dict.fromkeys(one for one in chosen if one != BUILTIN and one not in self.taken_back)
        return (*fine, BUILTIN)

    def text(self) -> str:
        """What `read_offer` reads."""
        return json.dumps(asdict(self))


def read_offer(text: str | bytes) -> Offer:
    """What a parameter's text offers. Raises BundlesError.

    >>> read_offer('{"stable": "builtin"}')
    Offer(stable='builtin', candidate=None, percent=0.0, salt='', taken_back={}, older=())
    """
    if len(text) > LARGEST_OFFER:
        raise BundlesError(f"found {len(text):,} characters, allowed are {LARGEST_OFFER:,}")
    found = _object(text, "offer")
    _check_keys(found, Offer.__dataclass_fields__, required={"stable"})
    candidate, older, taken_back = found.get("candidate"), found.get("older", []), found.get("taken_back", {})
    if not isinstance(older, list):
        raise _wrong("older", older, "a list of versions")
    if not isinstance(taken_back, dict) or not all(map(_is_text, taken_back.values())):
        raise _wrong("taken_back", taken_back, "a reason for each version")
    percent = _number("percent", found.get("percent", 0.0))
    if percent > 100:
        raise _wrong("percent", percent, "a number from 0 to 100")
    return Offer(
        stable=_version("stable", found["stable"], builtin=True),
        candidate=None if candidate is None else _version("candidate", candidate),
        percent=percent,
        salt=_text(found, "salt") if "salt" in found else "",
        taken_back={_version("taken_back", version): why for version, why in taken_back.items()},
        older=tuple(_version("older", version) for version in older),
    )


@dataclass(frozen=True, slots=True)
class BundleCounts:
    """What became of a bundle, each device counted once: how many it was `offered` to, on how many it `started`, `failed`.

    A device on which it failed after it had started counts as failed alone. `sessions` are starts of the app with it,
    `errors` those of them that met an uncaught error. `reasons` says how often each kind of failure was told.
    """

    offered: int = 0
    started: int = 0
    failed: int = 0
    sessions: int = 0
    errors: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Running:
    """On how many devices a bundle was seen last, and when (Unix time) on any of them."""

    devices: int
    last_seen: float


@dataclass(frozen=True, slots=True)
class Told:
    """What the service that answers devices tells of all bundles, by version; `running` may name `builtin`.

    `active` are the devices that called in the last seven days, by native version; None where the service does not say.
    """

    versions: Mapping[str, BundleCounts] = field(default_factory=dict)
    running: Mapping[str, Running] = field(default_factory=dict)
    active: Mapping[str, int] | None = None

    def fleet(self, native: str = "0") -> int | None:
        """The devices that may be expected to call and can run what needs this native version.

        None where nobody knows, or none has called yet.

        >>> Told(active={"1.0.0.1": 30, "1.0.0.2": 10}).fleet("1.0.0.2")
        10
        """
        if self.active is None:
            return sum(one.devices for one in self.running.values()) or None
        lowest = native_key(native)
        return sum(n for of, n in self.active.items() if NATIVE.fullmatch(of) and native_key(of) >= lowest) or None

    def of(self, version: str) -> BundleCounts:
        """A version's counts; zeros where nothing is known."""
        return self.versions.get(version, BundleCounts())

    def text(self) -> str:
        """The body of `GET /bundles`."""
        return json.dumps(asdict(self))


def read_told(text: str | bytes) -> Told:
    """What a body of `GET /bundles` tells. Raises BundlesError."""
    found = _object(text, "counts")
    versions, running, active = found.get("versions"), found.get("running"), found.get("active")
    for name, one in (("versions", versions), ("running", running)):
        if (
            not isinstance(one, dict)
            or len(one) > _MOST_VERSIONS
            or not all(isinstance(of, dict) for of in one.values())
        ):
            raise _wrong(name, one, f"an object for each of at most {_MOST_VERSIONS:,} versions")
    assert isinstance(versions, dict)
    assert isinstance(running, dict)
    return Told(
        {_version("versions", version, builtin=True): _counts(one) for version, one in versions.items()},
        {
            _version("running", version, builtin=True): Running(
                _count("devices", one.get("devices")), _number("last_seen", one.get("last_seen"))
            )
            for version, one in running.items()
        },
        None if active is None else _devices(active),
    )


def read_failures(text: str | bytes) -> dict[str, int]:
    """How often devices told something bad of each version, as a body of `GET /failures` says. Raises BundlesError."""
    versions = _object(text, "failures").get("versions")
    if not isinstance(versions, dict) or len(versions) > _MOST_VERSIONS:
        raise _wrong("versions", versions, f"a number for each of at most {_MOST_VERSIONS:,} versions")
    return {
        _version("versions", version, builtin=True): _count("versions", times) for version, times in versions.items()
    }


def _devices(active: object) -> dict[str, int]:
    if not isinstance(active, dict) or len(active) > _MOST_VERSIONS:
        raise _wrong("active", active, f"the number of devices for each of at most {_MOST_VERSIONS:,} native versions")
    return {native: _count("active", devices) for native, devices in active.items()}


def _counts(found: Mapping[str, Any]) -> BundleCounts:
    reasons = found.get("reasons", {})
    if not isinstance(reasons, dict):
        raise _wrong("reasons", reasons, "a count for each reason")
    figures = {key: _count(key, found.get(key, 0)) for key in ("offered", "started", "failed", "sessions", "errors")}
    return BundleCounts(**figures, reasons={reason: _count("reasons", n) for reason, n in reasons.items()})


def _object(text: str | bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundlesError(f"{what}: not JSON: {error}") from None
    if not isinstance(found, dict):
        raise _wrong(what, found, "an object")
    return found


def _check_keys(found: Mapping[str, Any], allowed: Collection[str], required: Collection[str]) -> None:
    for key in found:
        if key not in allowed:
            raise BundlesError(f"found the key {_shown(key)}, allowed are {', '.join(allowed)}")
    for key in sorted(required):
        if key not in found:
            raise BundlesError(f"{key} is missing")


def _version(where: str, found: object, *, builtin: bool = False) -> str:
    fine = isinstance(found, str) and (VERSION.fullmatch(found) is not None or (builtin and found == BUILTIN))
    if not fine:
        raise _wrong(where, found, "a version such as 1.0.0-4f53cda18c2b" + (f" or {BUILTIN}" if builtin else ""))
    return str(found)


def _text(found: Mapping[str, Any], key: str) -> str:
    if not _is_text(found[key]):
        raise _wrong(key, found[key], "text")
    return str(found[key])


def _is_text(found: object) -> bool:
    return isinstance(found, str)


def _count(where: str, found: object) -> int:
    # type() rather than isinstance(): true is no number here
    if type(found) is not int or found < 0:
        raise _wrong(where, found, "a whole number, 0 or more")
    return found


def _number(where: str, found: object) -> float:
    # true is no number here; written so that NaN fails
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < 1e12:
        raise _wrong(where, found, "a number, 0 or more")
    return float(found)


def _wrong(where: str, found: object, allowed: str) -> BundlesError:
    return BundlesError(f"{where}: found {_shown(found)}, allowed is {allowed}")


def _shown(found: object) -> str:
    text = repr(found)
    return text if len(text) <= 80 else f"{text[:77]}..."
