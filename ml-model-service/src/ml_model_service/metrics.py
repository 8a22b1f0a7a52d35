"""`/metrics`: what Prometheus reads. The library renders; counting costs the requests nothing beyond `Variants`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from ml_model_service.versions.counters import Variant
from ml_model_service.versions.reload import Served, Serving
from ml_model_service.versions.sketch import Sketch

# seconds; a row of a tree ensemble takes microseconds, a thousand take ten milliseconds
BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class _Total:
    """What one version did, as long as other versions were wanted beside it."""

    def __init__(self) -> None:
        self.requests = self.errors = self.rows = 0
        self.latency = Sketch()

    def add(self, variant: Variant) -> None:
        """Add a variant's counters."""
        self.requests += variant.requests
        self.errors += variant.errors
        self.rows += variant.rows
        self.latency.merge(variant.latency())


class Metrics:
    """Counters that only grow, whatever is swapped."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._over: dict[str, _Total] = {}
        self._ended: tuple[Variant, ...] = ()
        self.statuses: Counter[int] = Counter()
        served.on_change = self._keep

    def text(self, further: dict[str, float]) -> bytes:
        """The text exposition format, version 0.0.4. `further` are counters of others, by name."""
        from prometheus_client import CollectorRegistry, generate_latest

        registry = CollectorRegistry()
        registry.register(_Once(list(self._families(further))))
        return bytes(generate_latest(registry))

    def _keep(self, ended: Serving) -> None:
        # requests that are under way at a change still count for the old variants: these are added up one change later
        for variant in self._ended:
            self._over.setdefault(variant.version, _Total()).add(variant)
        self._ended = ended.variants.all

    def _families(self, further: dict[str, float]) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        totals: dict[str, _Total] = {}
        for version, total in self._over.items():
            merged = totals.setdefault(version, _Total())
            merged.requests, merged.errors, merged.rows = total.requests, total.errors, total.rows
            merged.latency.merge(total.latency)
        serving = self._served.serving
        for variant in (*self._ended, *(serving.variants.all if serving else ())):
            totals.setdefault(variant.version, _Total()).add(variant)
        statuses = CounterMetricFamily("model_http_requests", "Requests answered, by status", labels=["status"])
        for status, count in sorted(self.statuses.items()):
            statuses.add_metric([str(status)], count)
        requests = CounterMetricFamily("model_requests", "Prediction requests", labels=["version"])
        errors = CounterMetricFamily("model_errors", "Prediction requests that the model failed", labels=["version"])
        rows = CounterMetricFamily("model_rows", "Rows predicted", labels=["version"])
        latency = HistogramMetricFamily("model_latency_seconds", "From request to answer", labels=["version"])
        for version, total in sorted(totals.items()):
            requests.add_metric([version], total.requests)
            errors.add_metric([version], total.errors)
            rows.add_metric([version], total.rows)
            latency.add_metric([version], _buckets(total.latency), total.latency.sum)
        info = GaugeMetricFamily("model_serving", "1 for each version that answers", labels=["version", "digest"])
        for model in serving.models if serving else ():
            info.add_metric([model.version, model.digest], 1)
        yield from (statuses, requests, errors, rows, latency, info)
        for name, value in further.items():
            yield CounterMetricFamily(name, name.replace("_", " "), value=value)


class _Once:
    """Hands Prometheus's library the metrics that were made for this one answer."""

    def __init__(self, families: list[Any]) -> None:
        self._families = families

    def collect(self) -> list[Any]:
        """The families."""
        return self._families


def _buckets(latency: Sketch) -> list[tuple[str, float]]:
    """Cumulative counts. A sketch's bucket counts as if all of it lay at its upper bound: 3 % off at most."""
    buckets = latency.to_json()["buckets"]
    counted = [(str(bound), float(sum(count for _, upper, count in buckets if upper <= bound))) for bound in BOUNDS]
    return [*counted, ("+Inf", float(latency.count))]
