"""The names that Shipway computes are those that Terraform gives."""

from __future__ import annotations

from shipway.aws.names import all_names
from shipway.aws.roots import chosen

from .conftest import World

NAMED_BY = {
    "aws_s3_bucket": "bucket",
    "aws_cloudwatch_metric_alarm": "alarm_name",
    "aws_ecs_task_definition": "family",
    "aws_db_instance": "identifier",
}
"""Resource type → the attribute that holds its name, where that is not `name`."""


def test_terraform_computes_the_same_names(world: World) -> None:
    """Every one that follows from shipway.yaml, shortened ones included."""
    computed = set(all_names(world.app))
    kinds = {kind for kind, _ in computed}
    rendered = {(kind, values[NAMED_BY.get(kind, "name")]) for kind in kinds for values in world.values(kind)}
    assert set() == computed - rendered


def test_long_names_are_among_them(world: World) -> None:
    """Those of target groups are cut at 32 letters, in the app with long names at least."""
    names = {values["name"] for values in world.values("aws_lb_target_group")}
    routed = [service for service in world.app.services.values() if service.routes]
    assert 2 * len(routed) * len(world.app.environments) == len(names)
    whole = max(
        len(f"{world.app.app}-{environment}-{service}-green")
        for environment in world.app.environments
        for service in world.app.services
    )
    assert (whole > 32) == any(len(name) == 32 for name in names)


def test_each_environment_has_rules_and_addresses_of_its_own(world: World) -> None:
    """Where environments share a load balancer, two rules of the same priority would refuse each other."""
    numbers = [root.number for root in chosen(world.app, {}, {}).values()]
    assert len(numbers) == len(set(numbers))
