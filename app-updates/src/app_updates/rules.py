"""What is known of a device and its bundles, what a device's words mean, and what it is offered. Pure: time is given.

The verdict comes from outside: a bundle has started on a device when its own page says so (`spoke`). The updater's
`app_launch_ready` is not evidence: it credits the outgoing page's word to the incoming bundle (Cap-go/capacitor-updater
#907). A device that runs a bundle whose page never spoke has failed with it; so has one that its updater took back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from app_updates.contract.bundles import BUILTIN, Bundle, BundlesError, Offer, native_key

FIRST_WORD = 30.0
"""Seconds that a bundle's page has for its first word before the next check-in counts it as silent: three times what
the updater itself waits for the app."""
CRASHES_IN_A_ROW = 3
"""So many starts that end in a crash, with none in between that did not, are a crash loop."""
MOST_SESSIONS = 20
"""Sessions of one device with one bundle that count in a day, so that no device outweighs the others."""
MOST_TRIALS = 100
"""Bundles that are kept of a device."""
SILENT, REVERTED, CRASH_LOOP = "silent", "reverted", "crash_loop"
OTHER = "other"
"""What a device runs whose bundle's name is none of ours."""
DAY = 86_400.0

# The updater's words that a bundle did not come up on a device.
_FAILED = frozenset({"update_fail", "app_launch_timeout", "set_fail"})
# The same, said with the name of the bundle that runs: the one that was offered last is meant.
_FAILED_UNPACKING = frozenset(
    {"checksum_fail", "decrypt_fail", "unzip_fail", "session_key_required", "checksum_required", "windows_path_fail",
     "canonical_path_fail", "directory_path_fail"}
)  # fmt: skip
_CRASHED = frozenset(
    {"app_crash", "app_crash_native", "app_initialization_failure", "webview_render_process_gone",
     "webview_content_process_terminated"}
)  # fmt: skip
_ERRED = frozenset({"webview_javascript_error", "webview_unhandled_rejection"})


@dataclass(slots=True)
class Trial:
    """One bundle on one device; moments are Unix time, None where it has not come to that."""

    version: str
    offered_at: float | None = None
    ran_at: float | None = None
    """When the device first said that it runs it."""
    started_at: float | None = None
    failed_at: float | None = None
    reason: str = ""
    taken_back_at: float | None = None
    taken_back_reason: str = ""
    sessions: int = 0
    errors: int = 0
    session: str = ""
    session_counts: bool = False
    session_erred: bool = False
    crashes: int = 0
    """Starts in a row that ended in a crash."""
    crash: str = ""
    """The last crash's own mark: the same one told again counts once."""
    day: int = 0
    of_day: int = 0

    def fail(self, reason: str, now: float) -> None:
        """The bundle has failed on the device; the first reason stays."""
        if self.failed_at is None:
            self.failed_at, self.reason = now, reason

    def begin(self, session: str, now: float) -> None:
        """A start of the app, counted once by its name, and only so many a day."""
        if session == self.session:
            return
        if self.session and not self.session_erred:
            self.crashes = 0
        if self.day != int(now // DAY):
            self.day, self.of_day = int(now // DAY), 0
        self.session, self.session_erred, self.session_counts = session, False, self.of_day < MOST_SESSIONS
        if self.session_counts:
            self.of_day += 1
            self.sessions += 1

    def err(self) -> None:
        """The session met an uncaught error; counted once."""
        if self.session_counts and not self.session_erred:
            self.errors += 1
        self.session_erred = True


@dataclass(slots=True)
class Device:
    """A device as it told of itself; `answered` is the last bundle that it was offered."""

    id: str
    native: str = ""
    running: str = BUILTIN
    answered: str = ""
    seen_at: float = 0.0
    trials: dict[str, Trial] = field(default_factory=dict)

    def trial(self, version: str) -> Trial:
        """The bundle on this device, known or not."""
        return self.trials.setdefault(version, Trial(version))

    def known_or_new(self, version: str) -> Trial | None:
        """The bundle on this device; None for one more than a device can have met."""
        return self.trial(version) if version in self.trials or len(self.trials) < MOST_TRIALS else None

    def failed(self, version: str) -> bool:
        """Whether the bundle has failed here: it is never offered again."""
        trial = self.trials.get(version)
        return trial is not None and trial.failed_at is not None


@dataclass(frozen=True, slots=True)
class Shelf:
    """The bundles that this task can serve, and those that it refused for good. Others could not be looked at yet."""

    bundles: Mapping[str, Bundle] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


def check_in(device: Device, running: str, native: str, now: float, first_word: float = FIRST_WORD) -> None:
    """The device says what it runs: a bundle that it runs again without a word of its page, or left, has failed."""
    device.running, device.native, device.seen_at = running, native, now
    for trial in device.trials.values():
        if trial.started_at is not None or trial.failed_at is not None or trial.offered_at is None:
            continue
        if trial.version == BUILTIN:
            continue
        if trial.version == running:
            if trial.ran_at is None:
                trial.ran_at = now
            elif now - trial.ran_at >= first_word:
                trial.fail(SILENT, now)
        elif trial.ran_at is not None and device.answered == trial.version:
            trial.fail(REVERTED, now)


def offered(device: Device, offer: Offer | None, shelf: Shelf, now: float) -> str | None:
    """The bundle that the device is to change to, noted as offered; None where it keeps what it has.

    A bundle that failed here is left out, and so is one that the native app is too old for. Where a bundle could not be
    looked at yet, the device keeps what it has, unless that was taken back.
    """
    if offer is None:
        return None
    why = offer.taken_back.get(device.running)
    for version in _choices(device, offer):
        if version in (device.running, BUILTIN) or _can_run(device, version, shelf):
            break
        if version not in shelf.bundles and version not in shelf.refused and why is None:
            return None
    device.answered = version
    if version == device.running:
        return None
    if why is not None:
        left = device.trial(device.running)
        left.taken_back_at = left.taken_back_at or now
        left.taken_back_reason = left.taken_back_reason or why
    trial = device.trial(version)
    trial.offered_at = trial.offered_at or now
    return version


def _choices(device: Device, offer: Offer) -> list[str]:
    """Best first, `builtin` last. A device that has the candidate keeps it, whatever its share is now."""
    found = [version for version in offer.choices(device.id) if not device.failed(version)]
    if (
        device.running == offer.candidate
        and not device.failed(device.running)
        and device.running not in offer.taken_back
    ):
        found.insert(0, device.running)
    return [*found, BUILTIN]


def _can_run(device: Device, version: str, shelf: Shelf) -> bool:
    bundle = shelf.bundles.get(version)
    if bundle is None:
        return False
    try:
        return native_key(device.native) >= native_key(bundle.native)
    except BundlesError:
        return False


def spoke(device: Device, version: str, session: str, now: float) -> None:
    """The first request of a bundle's page: it has started, which refutes silence and a crash before it."""
    device.running, device.seen_at = version, now
    trial = device.known_or_new(version)
    if trial is None:
        return
    trial.started_at = trial.started_at or now
    trial.ran_at = trial.ran_at or now
    if trial.reason == SILENT or trial.reason in _CRASHED:
        trial.failed_at, trial.reason = None, ""
    trial.begin(session, now)


def erred(device: Device, version: str, session: str, now: float) -> None:
    """The page met an uncaught error in this session; its first word may not have arrived."""
    trial = device.known_or_new(version)
    if trial is not None:
        trial.begin(session, now)
        trial.err()


def reported(device: Device, action: str, version: str, mark: str, now: float) -> None:
    """A word of the updater of `version`. `mark` tells one report from another; the same report may come twice."""
    if action in _FAILED_UNPACKING:
        version = device.answered
    trial = device.trials.get(version)
    if trial is None:
        return
    if action == "set":
        trial.ran_at = trial.ran_at or now
    elif action in _FAILED | _FAILED_UNPACKING and version != BUILTIN:
        if not (trial.started_at is not None and action in _FAILED_UNPACKING):
            trial.fail(action, now)
    elif action in _CRASHED and mark != trial.crash:
        trial.crash = mark
        trial.crashes += 1
        trial.err()
        if version != BUILTIN and (trial.started_at is None or trial.crashes >= CRASHES_IN_A_ROW):
            trial.fail(action if trial.started_at is None else CRASH_LOOP, now)
    elif action in _ERRED:
        trial.err()
