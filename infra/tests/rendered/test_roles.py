"""What no emulator looks at: who may act in which environment, who approves, who hands roles on, who may take them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from typing import Any

from .conftest import World

PRINCIPALS = {
    "*-pipeline": "codepipeline.amazonaws.com",
    "*-release": "codebuild.amazonaws.com",
    "*-build-*": "codebuild.amazonaws.com",
    "*-rollout": "codebuild.amazonaws.com",
    "*-bundle": "codebuild.amazonaws.com",
    "*-bundles": "codebuild.amazonaws.com",
    "*-looks": "events.amazonaws.com",
    "*-events": "events.amazonaws.com",
    "*-ecs-infrastructure": "ecs.amazonaws.com",
    "*-task": "ecs-tasks.amazonaws.com",
    "*-execution": "ecs-tasks.amazonaws.com",
}
STEERING = {"ecs:StopServiceDeployment", "ecs:ContinueServiceDeployment"}


def _allowed(world: World, *actions: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Role and statement wherever one of the actions is allowed, also by a * in its name."""
    for role, statements in world.policies().items():
        for statement in statements:
            if statement["Effect"] == "Allow" and any(
                fnmatch(action.lower(), pattern.lower()) for action in actions for pattern in _list(statement["Action"])
            ):
                yield role, statement


def _list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def _terraforms(world: World, role: str) -> bool:
    """Terraform's own roles make everything, within the app's names; modules/guard/tests looks at those."""
    return role in (f"{world.app.app}-infra", f"{world.app.app}-github-apply")


def test_each_role_is_taken_by_one_service(world: World) -> None:
    """Or by people who are named, with a second factor; or by the repository's workflows."""
    for role in world.values("aws_iam_role"):
        (statement,) = json.loads(role["assume_role_policy"])["Statement"]
        service = next((service for pattern, service in PRINCIPALS.items() if fnmatch(role["name"], pattern)), None)
        if service is not None:
            assert {"Service": service} == statement["Principal"], role["name"]
        elif "-github-" in role["name"]:
            assert list(statement["Principal"]) == ["Federated"], role["name"]
        else:
            assert {"Bool": {"aws:MultiFactorAuthPresent": "true"}} == statement["Condition"], role["name"]


def test_an_environments_roles_reach_no_other_ones_services(world: World) -> None:
    """Of what names a cluster, a rollout and an approver name their own alone."""
    app, environments = world.app.app, list(world.app.environments)
    kinds = "service|service-deployment|service-revision|task|cluster"
    seen = 0
    for role, statements in world.policies().items():
        own = re.fullmatch(rf"{app}-({'|'.join(environments)})-(rollout|approver)", role)
        for statement in statements if own else ():
            actions = [action for action in _list(statement["Action"]) if action.startswith("ecs:")]
            if not actions or statement["Sid"].startswith(("Look", "List")):
                continue  # looking is allowed everywhere; lists are held to a cluster by a condition, tested below
            for arn in _list(statement["Resource"]):
                found = re.search(rf":(?:{kinds})/{app}-([\w-]+?)(?:/|$)", arn)
                definition = re.search(rf":task-definition/{app}-([\w-]+)", arn)
                assert found or definition, f"{role}: {arn}"
                name = (
                    found[1]
                    if found
                    else next(e for e in environments if definition and definition[1].startswith(f"{e}-"))
                )
                assert own and own[1] == name, f"{role}: {arn}"  # noqa: PT018
                seen += 1
    assert seen >= 8 * len(environments)


def test_what_has_no_resource_is_held_to_a_cluster(world: World) -> None:
    """A rollout lists tasks and runs one-off tasks in its own cluster only."""
    found = [
        (role, statement["Condition"]["ArnEquals"]["ecs:cluster"])
        for role, statement in _allowed(world, "ecs:ListTasks", "ecs:RunTask")
        if role.endswith("-rollout")
    ]
    assert len(found) >= len(world.app.environments)
    assert all(cluster.endswith(f":cluster/{role.removesuffix('-rollout')}") for role, cluster in found)


def test_only_rollouts_and_approvers_steer(world: World) -> None:
    """Nobody else stops a deployment or lets one go on; but deployers where nobody is asked."""
    app, environments = world.app.app, world.app.environments
    steering = {
        role: {found[1] for arn in _list(statement["Resource"]) if (found := re.search(rf"/{app}-([\w-]+?)/", arn))}
        for role, statement in _allowed(world, *STEERING)
        if not _terraforms(world, role)
    }
    unasked = {name for name, environment in environments.items() if environment.approval is None}
    expected = {f"{app}-{name}-rollout": {name} for name in environments}
    expected |= {f"{app}-{name}-approver": {name} for name in environments if name not in unasked}
    assert expected | {f"{app}-deployer": unasked} == steering


def test_the_boundary_leaves_each_role_what_its_policy_allows(world: World) -> None:
    """A call that the boundary does not name is denied, whatever the role's own policy says."""
    (boundary,) = (json.loads(policy["policy"]) for policy in world.values("aws_iam_policy"))
    most = [pattern.lower() for statement in boundary["Statement"] for pattern in _list(statement["Action"])]
    bounded = {role["name"] for role in world.values("aws_iam_role") if role["permissions_boundary"]}
    assert len(bounded) > 3 * len(world.app.environments)
    cut_off = {
        (role, action)
        for role, statements in world.policies().items()
        for statement in statements
        for action in _list(statement["Action"])
        if role in bounded and statement["Effect"] == "Allow" and not any(fnmatch(action.lower(), one) for one in most)
    }
    assert set() == cut_off


def test_an_approver_answers_for_one_environment(world: World) -> None:
    """By the ARN of its action, in each pipeline that leads there."""
    app = world.app
    answers = {
        role: _list(statement["Resource"])
        for role, statement in _allowed(world, "codepipeline:PutApprovalResult")
        if not _terraforms(world, role)
    }
    asked = [name for name, environment in app.environments.items() if environment.approval is not None]
    assert {f"{app.app}-{name}-approver" for name in asked} == set(answers)
    for name in asked:
        leading = [f"{app.app}-{other}/{name}/approve" for other in app.environments if name in app.path_to(other)]
        assert sorted(leading) == sorted(arn.split(":")[-1] for arn in answers[f"{app.app}-{name}-approver"])


def test_a_rollout_hands_on_its_environments_roles_alone(world: World) -> None:
    """To ECS and its tasks; nobody else hands a role on."""
    handed = [(role, statement) for role, statement in _allowed(world, "iam:PassRole") if not _terraforms(world, role)]
    assert {f"{world.app.app}-{name}-rollout" for name in world.app.environments} == {role for role, _ in handed}
    for role, statement in handed:
        prefix = role.removesuffix("rollout")
        assert statement["Condition"]["StringEquals"]["iam:PassedToService"] in (
            "ecs.amazonaws.com",
            "ecs-tasks.amazonaws.com",
        )
        assert [] == [arn for arn in _list(statement["Resource"]) if not arn.split("role/")[1].startswith(prefix)]


def test_who_says_what_devices_are_offered(world: World) -> None:
    """A rollout and a look of that environment, and whoever steers rollouts there: nobody else, no task and no build."""
    app, environments = world.app.app, world.app.environments
    saying = {
        role: {found[1] for arn in _list(statement["Resource"]) if (found := re.search(r"/([\w-]+)/app-bundles$", arn))}
        for role, statement in _allowed(world, "ssm:PutParameter")
        if any(arn.endswith("/app-bundles") for arn in _list(statement["Resource"])) and not _terraforms(world, role)
    }
    if not world.app.apps:
        assert {} == saying
        return
    unasked = {name for name, environment in environments.items() if environment.approval is None}
    expected = {f"{app}-{name}-{program}": {name} for name in environments for program in ("rollout", "bundles")}
    expected |= {f"{app}-{name}-approver": {name} for name in environments if name not in unasked}
    assert expected | {f"{app}-deployer": unasked} == saying


def test_the_service_that_answers_devices_changes_no_bundle(world: World) -> None:
    """It reads bundles, and writes its environment's counts alone."""
    for app in world.app.apps.values():
        for name in world.app.environments:
            role = f"{world.app.app}-{name}-{app.updates}-task"
            written = [
                arn
                for one, statement in _allowed(world, "s3:PutObject")
                if one == role
                for arn in _list(statement["Resource"])
            ]
            assert written
            assert all(arn.endswith(f"/counts/{name}/*") for arn in written), written
