"""Bodies of the updater and of the app's own first request, read: what devices say is bounded, and never trusted."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app_updates.contract.bundles import BUILTIN, VERSION, native_of
from app_updates.rules import OTHER

MOST_STATS = 500
"""Of one body. The updater keeps at most so many."""
_DEVICE = re.compile(r"[!-~](?:[ -~]{0,126}[!-~])?")
"""As the backend takes `x-device-id`, so that app and updater name a device alike."""
_WORD = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


class WrongMessage(ValueError):
    """The body can't be used; the message says what is wrong and what is allowed."""


@dataclass(frozen=True, slots=True)
class CheckIn:
    """What a device runs, and the version of its native app; empty where it says none that could be one."""

    device: str
    running: str
    native: str


@dataclass(frozen=True, slots=True)
class Stat:
    """One word of the updater; `mark` tells it from others of the same action."""

    device: str
    action: str
    version: str
    mark: str


@dataclass(frozen=True, slots=True)
class FirstWord:
    """A page's first request: the bundle that its shell says it is, its session, and the file that spoke."""

    device: str
    version: str
    session: str
    file: str


def parsed(body: bytes) -> Any:
    """The body's JSON. Raises WrongMessage."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WrongMessage("the body is not JSON") from error


def read_check_in(found: object) -> CheckIn:
    """Raises WrongMessage."""
    message = _object(found)
    native = native_of(str(message.get("version_build", "")), str(message.get("version_code", "")))
    return CheckIn(
        _device(message), version_named(message.get("version_name")), native if _WORD.fullmatch(native) else ""
    )


def read_stats(found: object) -> list[Stat]:
    """One object, or an array of them; what has no action or no device is passed over. Raises WrongMessage."""
    messages = found if isinstance(found, list) else [found]
    if len(messages) > MOST_STATS:
        raise WrongMessage(f"found {len(messages)} reports, allowed are {MOST_STATS}")
    stats = []
    for message in map(_object, messages):
        action = message.get("action")
        if isinstance(action, str) and _WORD.fullmatch(action):
            version, mark = version_named(message.get("version_name")), str(message.get("timestamp", ""))[:64]
            stats.append(Stat(_device(message), action, version, mark if mark.isprintable() else ""))
    return stats


def read_first_word(found: object) -> FirstWord:
    """Raises WrongMessage."""
    message = _object(found)
    session, file = message.get("session_id"), message.get("file", "")
    if not isinstance(session, str) or not _WORD.fullmatch(session):
        raise WrongMessage("session_id: expected 1 to 64 letters, digits and . _ : -")
    if not isinstance(file, str) or len(file) > 300:
        raise WrongMessage("file: expected the path of the script that speaks, 300 characters at most")
    return FirstWord(_device(message), version_named(message.get("version")), session, file.lstrip("/"))


def version_named(found: object) -> str:
    """A bundle's name as it is kept: names that are none of ours are one."""
    return found if isinstance(found, str) and (found == BUILTIN or VERSION.fullmatch(found)) else OTHER


def device_named(found: object) -> str | None:
    """The name of a device; None for what can't be one."""
    return found if isinstance(found, str) and _DEVICE.fullmatch(found) else None


def _object(found: object) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise WrongMessage(f"expected a JSON object, found {type(found).__name__}")
    return found


def _device(message: Mapping[str, Any]) -> str:
    device = device_named(message.get("custom_id") or message.get("device_id"))
    if device is None:
        raise WrongMessage("device_id: expected 1 to 128 printable ASCII characters")
    return device
