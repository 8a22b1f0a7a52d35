"""Follows the environment's offer by itself, and brings the bundles that it names here, verified and signed."""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from app_updates.archives import LARGEST, BundleRefused, check
from app_updates.contract.bundles import BUILTIN, LARGEST_OFFER, Bundle, BundlesError, Offer, read_bundle, read_offer
from app_updates.places import Bucket, Parameter, Unreadable, bucket_at, parameter_at
from app_updates.rules import Shelf
from app_updates.settings import Settings
from app_updates.signing import SigningKey

log = logging.getLogger(__name__)
_AGAIN = 2.0
"""Seconds until a bundle that could not be read is tried again."""
_KEPT = 16
"""Bundles that stay here after no offer names them: a download that was under way then comes to its end."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A bundle that can be served: what an offer says of it, its encrypted zip, and the names of the files in it."""

    bundle: Bundle
    checksum: str
    session_key: str
    file: Path
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Offering:
    """What is offered and what of it can be served, at one moment. Before the first offer `offer` is None."""

    offer: Offer | None = None
    ready: Mapping[str, Ready] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def shelf(self) -> Shelf:
        """As the rules take it."""
        return Shelf({version: one.bundle for version, one in self.ready.items()}, self.refused)


def follower_of(settings: Settings) -> Follower | None:
    """Follows what is offered; None where something is lacking for that. Raises WrongPlace."""
    if settings.parameter is None or settings.bucket is None or settings.key is None:
        return None
    return Follower(parameter_at(settings.parameter), bucket_at(settings.bucket, LARGEST), settings.key)


class Follower:
    """What is offered, as it was last read. Thread-safe.

    A text that is no offer leaves the one before in force, and before the first one no device is told to change.
    """

    def __init__(
        self, parameter: Parameter, bucket: Bucket, key: SigningKey, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._parameter, self._bucket, self._key, self._clock = parameter, bucket, key, clock
        self._folder = tempfile.TemporaryDirectory(prefix="app-updates-")
        self._text: bytes | None = None
        self._said: dict[str, str] = {}
        self._not_before: dict[str, float] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)
        self.offering = Offering()

    def start(self) -> None:
        """Look once, then again and again in a thread of its own."""
        self.look()
        self._thread.start()

    def close(self) -> None:
        """Stop, and remove what was brought here."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._folder.cleanup()

    def look(self) -> None:
        """Read the offer, which is in force at once; then bring one of the bundles that are still missing."""
        with self._lock:
            self._look()

    def _look(self) -> None:
        try:
            text = self._parameter.read()
            if text != self._text:
                self.offering = replace(self.offering, offer=read_offer(text))
                self._text = text
                log.info("the offer is now %s", text.decode(errors="replace")[:LARGEST_OFFER])
                self._let_go()
            self._say("offer", "")
        except (Unreadable, BundlesError) as error:
            self._say("offer", f"{error}; what was offered before stays in force")
        missing = [
            version for version in self._named() if version not in self.offering.ready and not self._waits(version)
        ]
        if missing:
            self._bring(missing[0])

    @property
    def faults(self) -> list[str]:
        """What is wrong now."""
        return [text for text in self._said.values() if text]

    def _run(self) -> None:
        while not self._stopped.wait(self._parameter.interval):
            try:
                self.look()
            except Exception:
                log.exception("a look at the offer failed; the next one follows")

    def _named(self) -> list[str]:
        offer = self.offering.offer
        if offer is None:
            return []
        named = dict.fromkeys([offer.stable, offer.candidate or BUILTIN, *offer.older])
        return [version for version in named if version != BUILTIN and version not in offer.taken_back]

    def _waits(self, version: str) -> bool:
        return version in self.offering.refused or self._clock() < self._not_before.get(version, 0.0)

    def _bring(self, version: str) -> None:
        try:
            ready = self._prepare(version)
        except (BundleRefused, BundlesError) as error:
            self.offering = replace(self.offering, refused={**self.offering.refused, version: str(error)})
            self._say(version, f"never served: {error}")
            return
        except (Unreadable, OSError) as error:
            self._try_later(version, str(error))
            return
        except Exception as error:
            # Unforeseen, such as a library's: it must cost no other bundle, nor the start of this task.
            log.exception("%s could not be prepared", version)
            self._try_later(version, f"{version}: {type(error).__name__}: {error}")
            return
        self.offering = replace(self.offering, ready={**self.offering.ready, version: ready})
        self._say(version, "")
        log.info("%s can be served", version)

    def _try_later(self, version: str, why: str) -> None:
        self._not_before[version] = self._clock() + _AGAIN
        self._say(version, why)

    def _prepare(self, version: str) -> Ready:
        bundle = read_bundle(self._bucket(f"{version}/metadata.json"))
        if bundle.version != version:
            raise BundleRefused(f"{version}: its metadata is that of {bundle.version}")
        if bundle.size > LARGEST:
            raise BundleRefused(f"{version}: bundle.zip has {bundle.size:,} bytes, allowed are {LARGEST:,}")
        content = self._bucket(f"{version}/bundle.zip")
        names = check(bundle, content)
        signed = self._key.sign(version, content)
        file = Path(self._folder.name) / f"{version}.zip"
        unfinished = file.with_suffix(".part")
        unfinished.write_bytes(signed.content)
        unfinished.rename(file)
        return Ready(bundle, signed.checksum, signed.session_key, file, names)

    def _let_go(self) -> None:
        """Remove the oldest of the bundles that no offer names. Requests that send one have it open."""
        ready = self.offering.ready
        unnamed = [version for version in ready if version not in self._named()]
        gone = unnamed[: max(0, len(unnamed) - _KEPT)]
        self.offering = replace(self.offering, ready={name: one for name, one in ready.items() if name not in gone})
        for version in gone:
            (Path(self._folder.name) / f"{version}.zip").unlink(missing_ok=True)

    def _say(self, what: str, text: str) -> None:
        if text and self._said.get(what) != text:
            log.warning("%s: %s", what, text)
        self._said[what] = text
