"""CloudWatch's figures as the traffic that core judges."""

from datetime import UTC, datetime
from typing import Any

from shipway.aws.calls import Calls
from shipway.aws.target_groups import Group, TargetGroups
from tests.aws.doubles import CloudWatch, Wire

ARN = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/ontime-prod-backend-api-green/0123"
GROUP = Group(ARN, "app/ontime-prod/4567")


def target_groups(double: Any, service: str = "cloudwatch") -> tuple[TargetGroups, Wire]:
    wire = Wire()
    return TargetGroups(Calls("us-east-1", client=lambda name: wire.client(service, double))), wire


def test_requests_and_failures_are_summed_from_the_minute_in_which_it_began():
    groups, wire = target_groups(CloudWatch(lambda group, at: (120.0, 0.25, 0.2), lambda: 0.0))
    traffic = groups.traffic([GROUP], since=605.0, now=790.0)
    assert (360, 90, "600") == (traffic.requests, traffic.errors, traffic.epoch)
    assert (0.2,) * 30 == traffic.latencies
    (request,) = wire.carried_out("get_metric_data")
    assert datetime.fromtimestamp(600, UTC) == request["StartTime"]
    dimensions = request["MetricDataQueries"][0]["MetricStat"]["Metric"]["Dimensions"]
    assert {"Name": "TargetGroup", "Value": "targetgroup/ontime-prod-backend-api-green/0123"} in dimensions
    assert {"Name": "LoadBalancer", "Value": "app/ontime-prod/4567"} in dimensions


def test_a_minute_with_three_requests_gives_three_latencies():
    groups, _ = target_groups(CloudWatch(lambda group, at: (3.0, 0.0, 0.2), lambda: 0.0))
    assert 3 == len(groups.traffic([GROUP], since=600.0, now=660.0).latencies)


def test_no_figures_are_no_traffic():
    groups, _ = target_groups(CloudWatch(lambda group, at: (0.0, 0.0, 0.0), lambda: 0.0))
    traffic = groups.traffic([GROUP], since=600.0, now=900.0)
    assert (0, 0, ()) == (traffic.requests, traffic.errors, traffic.latencies)


def test_the_health_of_a_group_leaves_out_what_is_on_its_way_out():
    class Balancers:
        def describe_target_health(self, TargetGroupArn: str) -> dict[str, Any]:  # noqa: N803
            states = [{"State": "healthy"}, {"State": "draining"}, {"State": "unhealthy", "Description": "answers 503"}]
            return {"TargetHealthDescriptions": [{"TargetHealth": state} for state in states]}

    groups, _ = target_groups(Balancers(), "elbv2")
    health = groups.health(ARN)
    assert (1, 2, "answers 503") == (health.healthy, health.registered, health.reason)
