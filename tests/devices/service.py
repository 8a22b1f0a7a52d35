"""The service app-updates without its sockets and its database: its own readers and rules over devices in memory."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shipway.core.contract.bundles import Offer, Told, read_told
from shipway.demo.exchange import Answer

# A part of its own, whose rules need nothing but Python: not installed here, and not copied.
sys.path.insert(0, str(Path(__file__).parents[2] / "app-updates" / "src"))

from app_updates import messages, rules
from app_updates.contract import bundles

UP_TO_DATE = {"kind": "up_to_date", "error": "no_new_version_available", "message": "No new version available"}


@dataclass
class Service:
    """Answers a device's `ask` at the moment `now`, by the offer that was given last."""

    natives: dict[str, str]
    now: float = 1_785_000_000.0
    devices: dict[str, Any] = field(default_factory=dict)
    offer: Any = None

    def __post_init__(self) -> None:
        empty = ("0" * 64, "0" * 64, 1)
        found = {
            version: bundles.Bundle(version, *empty, native, "1.0.0", "", 0.0)
            for version, native in self.natives.items()
        }
        self.shelf = rules.Shelf(found)

    def follow(self, offer: Offer) -> None:
        """The parameter's text, as Shipway writes it and the service reads it."""
        self.offer = bundles.read_offer(offer.text())

    def ask(self, method: str, path: str, body: bytes | None) -> Answer:
        if method == "GET":
            return Answer(200, {}, b"a zip")
        found = json.loads(body or b"null")
        if path == "/ota/updates":
            asked = messages.read_check_in(found)
            device = self._device(asked.device)
            rules.check_in(device, asked.running, asked.native, self.now)
            return _json(self._answer(rules.offered(device, self.offer, self.shelf, self.now)))
        if path == "/ota/started":
            word = messages.read_first_word(found)
            rules.spoke(self._device(word.device), word.version, word.session, self.now)
        elif path == "/ota/stats":
            for stat in messages.read_stats(found):
                rules.reported(self._device(stat.device), stat.action, stat.version, stat.mark, self.now)
        return _json({"status": "ok"})

    def told(self) -> Told:
        """The counts as the service's store adds them up, read as Shipway reads them."""
        counts: dict[str, dict[str, Any]] = {}
        for device in self.devices.values():
            for version, trial in device.trials.items():
                one = counts.setdefault(
                    version, {"offered": 0, "started": 0, "failed": 0, "sessions": 0, "errors": 0, "reasons": {}}
                )
                one["sessions"] += trial.sessions
                one["errors"] += trial.errors
                if trial.offered_at is None:
                    continue
                one["offered"] += 1
                one["started"] += trial.started_at is not None and trial.failed_at is None
                one["failed"] += trial.failed_at is not None
                if trial.failed_at is not None:
                    one["reasons"][trial.reason] = one["reasons"].get(trial.reason, 0) + 1
        active = Counter(
            device.native for device in self.devices.values() if self.now - device.seen_at <= 7 * rules.DAY
        )
        return read_told(json.dumps({"versions": counts, "running": {}, "active": active}))

    def _answer(self, version: str | None) -> dict[str, str]:
        if version is None:
            return UP_TO_DATE
        if version == bundles.BUILTIN:
            return {"version": version}
        return {"version": version, "url": f"http://ota/ota/bundles/{version}.zip", "checksum": "", "session_key": ""}

    def _device(self, name: str) -> Any:
        return self.devices.setdefault(name, rules.Device(name))


def _json(found: object) -> Answer:
    return Answer(200, {}, json.dumps(found).encode())
