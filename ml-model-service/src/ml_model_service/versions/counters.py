"""What each version that answers requests has done, for whoever compares them."""

from __future__ import annotations

import secrets
import time
from typing import Any

from ml_model_service.contract.version import variant_name
from ml_model_service.contract.wanted import Wanted
from ml_model_service.versions.sketch import Sketch

_FOLD = 256


class Variant:
    """The counters of one version. Belongs to one thread."""

    __slots__ = (
        "_folded_predictions", "_folded_seconds", "_predictions", "_seconds",
        "errors", "headers", "name", "percent", "requests", "rows", "version",
    )  # fmt: skip

    def __init__(self, version: str, percent: float) -> None:
        self.name, self.version, self.percent = variant_name(version), version, percent
        # header lines that say who answered, made once
        self.headers = (
            f"x-model-version: {version}\r\nx-model-variant: {self.name}\r\n"
            f"x-amzn-invoked-production-variant: {self.name}\r\n"
        ).encode()
        self.requests = self.errors = self.rows = 0
        # Figures are collected here first: sorting many into buckets at once takes half the time of one by one.
        self._seconds: list[float] = []
        self._predictions: list[float] = []
        self._folded_seconds, self._folded_predictions = Sketch(), Sketch()

    def answered(self, seconds: float, predictions: list[float]) -> None:
        """Count a request that this version answered."""
        self.requests += 1
        self.rows += len(predictions)
        self._seconds.append(seconds)
        self._predictions += predictions
        if len(self._predictions) >= _FOLD:
            self._fold()

    def failed(self, seconds: float) -> None:
        """Count a request that this version could not answer through a fault of its own, not of the client's."""
        self.requests += 1
        self.errors += 1
        self._seconds.append(seconds)
        if len(self._seconds) >= _FOLD:
            self._fold()

    def latency(self) -> Sketch:
        """Seconds from request to answer, so far."""
        self._fold()
        return self._folded_seconds

    def to_json(self) -> dict[str, Any]:
        """The figures so far."""
        self._fold()
        return {
            "name": self.name,
            "version": self.version,
            "percent": self.percent,
            "requests": self.requests,
            "errors": self.errors,
            "rows": self.rows,
            "latency": self._folded_seconds.to_json(),
            "predictions": self._folded_predictions.to_json(),
        }

    def _fold(self) -> None:
        self._folded_seconds.add_many(self._seconds)
        self._folded_predictions.add_many(self._predictions)
        self._seconds.clear()
        self._predictions.clear()


class Variants:
    """The variants that are wanted together, in one process; others get new ones, so that counting begins anew."""

    def __init__(self, wanted: Wanted) -> None:
        self.all = tuple(Variant(version, percent) for version, percent in wanted.variants)
        self.epoch, self.since = secrets.token_hex(8), time.time()

    def named(self, name: str) -> int | None:
        """The index of the variant with this name, which is also the chooser's; None for an unknown one."""
        return next((index for index, variant in enumerate(self.all) if variant.name == name), None)

    def to_json(self, shadow: dict[str, Any] | None) -> dict[str, Any]:
        """What `/variants` answers; `shadow` is the mirror's own part."""
        variants = [variant.to_json() for variant in self.all]
        return {"epoch": self.epoch, "since": self.since, "variants": variants, "shadow": shadow}
