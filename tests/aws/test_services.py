"""ECS's façade, as far as moto carries ECS: what is registered and what a service is told (moto)."""

import pytest

from shipway.aws import deployment, task_definition
from shipway.aws.calls import Calls
from shipway.aws.services import Services
from shipway.core.errors import UsageError
from tests.aws.rollout_bench import BACKEND, release
from tests.aws.test_requests import APP, NAMES, plan_of, told_of


def test_a_task_definition_and_an_update_are_taken_and_come_back(calls: Calls):
    calls.call("ecs", "create_cluster", clusterName="ontime-prod")
    services = Services(calls, "ontime-prod")
    its = told_of(APP, BACKEND)
    request = task_definition.task_definition(NAMES, its, release("r1", APP, "2"), "prod", BACKEND)
    first, second = services.register(request), services.register(request)
    assert second.endswith("task-definition/ontime-prod-backend-api:2")
    calls.call(
        "ecs", "create_service", cluster="ontime-prod", serviceName=BACKEND, taskDefinition=first, desiredCount=0
    )
    update = deployment.update_request(NAMES, "prod", BACKEND, its, plan_of("canary"), second, desired=3)
    services.update(update)
    there = services.describe([BACKEND])[BACKEND]
    assert (second, 3) == (there.task_definition, there.desired)
    assert (
        request["containerDefinitions"][0]["image"]
        == services.task_definition(second)["containerDefinitions"][0]["image"]
    )


def test_a_missing_service_and_a_missing_cluster_say_that_terraform_comes_first(calls: Calls):
    with pytest.raises(UsageError, match="no cluster ontime-prod in us-east-1"):
        Services(calls, "ontime-prod").describe([BACKEND])
    calls.call("ecs", "create_cluster", clusterName="ontime-prod")
    with pytest.raises(UsageError, match="has no service backend-api") as caught:
        Services(calls, "ontime-prod").describe([BACKEND])
    assert "Terraform" in caught.value.fix
