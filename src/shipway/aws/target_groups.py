"""Target groups: which tasks are healthy, and what clients saw of each side, from CloudWatch's figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shipway.aws.calls import Calls
from shipway.core.observations.observation import Traffic

PERIOD = 60
"""Seconds between two of the load balancer's figures, which come some minutes late."""
QUANTILES = (5, 15, 25, 35, 45, 55, 65, 75, 85, 95)
"""Of a minute's response times. They divide it evenly, so that together they are a sample of it."""
MOST_LATENCIES = 2000
_COUNTS = ("RequestCount", "HTTPCode_Target_5XX_Count", "TargetConnectionErrorCount")
_QUERIES = 500  # as many as one call takes


@dataclass(frozen=True, slots=True)
class Group:
    """A target group as its figures are found: its ARN, and its load balancer's part of metric names."""

    arn: str
    load_balancer: str

    @property
    def suffix(self) -> str:
        """The group's part of metric names: `targetgroup/NAME/NUMBER`."""
        return self.arn.rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class Health:
    """How many targets are healthy and how many are there; `reason` is that of one that is not healthy."""

    healthy: int
    registered: int
    reason: str = ""


class TargetGroups:
    """Health and figures of target groups in one region."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def health(self, arn: str) -> Health:
        """The targets of one group that are not on their way out."""
        answer = self._calls.call("elbv2", "describe_target_health", TargetGroupArn=arn)
        states = [target["TargetHealth"] for target in answer["TargetHealthDescriptions"]]
        there = [state for state in states if state["State"] != "draining"]
        ill = [state for state in there if state["State"] != "healthy"]
        reasons = [str(state.get("Description") or state.get("Reason") or state["State"]) for state in ill]
        return Health(len(there) - len(ill), len(there), reasons[0] if reasons else "")

    def traffic(self, groups: Sequence[Group], since: float, now: float) -> Traffic:
        """What clients saw of the groups from the minute of `since` on until `now` (Unix times).

        Requests and errors of a minute may grow for some minutes after it; latencies are `QUANTILES` of each minute,
        fewer where it had fewer requests. `epoch` is `since`: figures of the same beginning only grow.
        """
        begin = int(since // PERIOD) * PERIOD
        found = self._figures(groups, begin, now)
        requests = errors = 0
        latencies: list[float] = []
        for n in range(len(groups)):
            counts = {name: found.get(f"g{n}c{m}", {}) for m, name in enumerate(_COUNTS)}
            seen = counts["RequestCount"]
            requests += round(sum(seen.values()))
            failed = sum(sum(counts[name].values()) for name in _COUNTS[1:])
            errors += min(round(failed), round(sum(seen.values())))
            latencies += _sampled(seen, {q: found.get(f"g{n}p{q}", {}) for q in QUANTILES})
        return Traffic(requests, errors, tuple(latencies[-MOST_LATENCIES:]), epoch=str(begin))

    def _figures(self, groups: Sequence[Group], begin: int, now: float) -> dict[str, dict[float, float]]:
        queries = [query for n, group in enumerate(groups) for query in _queries(f"g{n}", group)]
        found: dict[str, dict[float, float]] = {}
        for n in range(0, len(queries), _QUERIES):
            pages = self._calls.pages(
                "cloudwatch", "get_metric_data", "MetricDataResults",
                MetricDataQueries=queries[n : n + _QUERIES],
                StartTime=datetime.fromtimestamp(begin, UTC),
                EndTime=datetime.fromtimestamp(max(now, begin + PERIOD), UTC),
                ScanBy="TimestampAscending",
            )  # fmt: skip
            for result in pages:
                times = (at.timestamp() for at in result["Timestamps"])
                found.setdefault(result["Id"], {}).update(zip(times, result["Values"], strict=True))
        return found


def _queries(prefix: str, group: Group) -> Iterator[dict[str, Any]]:
    for n, name in enumerate(_COUNTS):
        yield _query(f"{prefix}c{n}", name, "Sum", group)
    for quantile in QUANTILES:
        yield _query(f"{prefix}p{quantile}", "TargetResponseTime", f"p{quantile}", group)


def _query(id: str, metric: str, statistic: str, group: Group) -> dict[str, Any]:
    dimensions = [
        {"Name": "LoadBalancer", "Value": group.load_balancer},
        {"Name": "TargetGroup", "Value": group.suffix},
    ]
    return {
        "Id": id,
        "MetricStat": {
            "Metric": {"Namespace": "AWS/ApplicationELB", "MetricName": metric, "Dimensions": dimensions},
            "Period": PERIOD,
            "Stat": statistic,
        },
        "ReturnData": True,
    }


def _sampled(requests: Mapping[float, float], quantiles: Mapping[int, Mapping[float, float]]) -> Iterator[float]:
    """Of each minute its quantiles; of a minute with fewer requests than quantiles only as many, evenly chosen."""
    for at, count in sorted(requests.items()):
        known = [quantiles[q][at] for q in QUANTILES if at in quantiles[q]]
        wanted = min(len(known), int(count))
        yield from (known[(2 * n + 1) * len(known) // (2 * wanted)] for n in range(wanted))
