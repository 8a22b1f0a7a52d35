"""`make infra-rehearse`: applies every root to an emulator, plans again, makes a rollout's calls, plans again, destroys.

What no emulator holds is left out by `rehearsal/overrides`, laid over a copy: the modules stay as they are. What an
emulator answers is no proof of AWS; docs/aws/rehearsed.md says for each resource type what was seen.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import boto3
import yaml

from tools import report, terraform
from tools.emulator import running

REHEARSAL = terraform.INFRA / "rehearsal"
ROOTS = (
    "bootstrap",
    "app",
    "environments/shared-nonprod",
    "environments/dev",
    "environments/stage",
    "environments/prod",
)
VARIABLES = {
    "environments/prod": {
        "subscribers": {area: ["on-call@example.com"] for area in ("api", "model", "infrastructure")},
    },
}
ACCOUNT = "000000000000"


def main(chosen: list[str]) -> int:
    """Rehearses the roots, in order. `chosen` names some of them."""
    roots = [root for root in ROOTS if not chosen or root in chosen]
    allowed: dict[str, str] = yaml.safe_load((REHEARSAL / "drift.yaml").read_text()) or {}
    problems: list[str] = []
    seen: dict[str, report.Root] = {}
    program = Path(sys.executable).with_name("ministack")
    emulator = running([program], {"GATEWAY_PORT": "{port}"}, REHEARSAL / "emulator.log")
    with tempfile.TemporaryDirectory() as temporary, emulator as address:
        copy = _copy(Path(temporary))
        os.environ |= {"AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        for root in roots:
            terraform.init(copy / "infra" / root, backend=True)
            if not _step(problems, f"{root}: apply", _apply, copy, root):
                continue
            seen[root] = found = _first_look(copy, root)
            found.clean = _step(problems, f"{root}: plan again", _unchanged, copy, root, allowed, found)
            # One environment at a time: asked for a database that is gone, the emulator answers with another one.
            if _is_environment(root):
                _step(problems, f"{root}: a rollout's calls", _roll_out, copy, root)
                found.rollout = _step(problems, f"{root}: plan after them", _unchanged, copy, root, allowed, found)
                _take_away(problems, copy, root, allowed, found)
        for root in reversed([root for root in seen if not _is_environment(root)]):
            _take_away(problems, copy, root, allowed, seen[root])
    print(f"what was seen: {report.PAGE.relative_to(terraform.INFRA.parent)}")
    return 1 if problems else 0


def _is_environment(root: str) -> bool:
    return root.startswith("environments/") and not root.endswith("shared-nonprod")


def _take_away(problems: list[str], copy: Path, root: str, allowed: dict[str, str], seen: report.Root) -> None:
    if _protected(root):
        _step(problems, f"{root}: give its protection up", _apply, copy, root, "-var=protected=false")
    seen.destroyed = _step(problems, f"{root}: destroy", _destroy, copy, root, allowed, seen)
    report.keep({root: seen})


def _first_look(copy: Path, root: str) -> report.Root:
    listed = terraform.run(copy / "infra" / root, "state", "list").stdout.splitlines()
    today = datetime.now(UTC).date().isoformat()
    return report.Root(today, f"ministack {version('ministack')}", report.kinds_in(listed))


def _protected(root: str) -> bool:
    return 'variable "protected"' in (terraform.INFRA / root / "variables.tf").read_text()


def _step(problems: list[str], name: str, work: Callable[..., str], *words: Any) -> bool:
    started = time.monotonic()
    try:
        said, mark = work(*words), "✔"
    except terraform.Failed as failed:
        said, mark = str(failed), "✘"
        problems.append(name)
    print(f"{mark} {name}: {said}  ({time.monotonic() - started:.0f} s)", flush=True)
    return mark == "✔"


def _copy(temporary: Path) -> Path:
    """`infra/` and shipway.yaml, with the overrides, the emulator's account, and a connection that is there already."""
    shutil.copytree(
        terraform.INFRA, temporary / "infra", ignore=shutil.ignore_patterns(".terraform*", "tests", "*.tfstate*")
    )
    for file in (REHEARSAL / "overrides").rglob("*.tf"):
        shutil.copy(file, temporary / "infra" / file.relative_to(REHEARSAL / "overrides"))
    for root in ROOTS:
        shutil.copy(REHEARSAL / "provider_override.tf", temporary / "infra" / root)
    app = yaml.safe_load((terraform.INFRA.parent / "shipway.yaml").read_text())
    connection = f"arn:aws:codeconnections:us-east-1:{ACCOUNT}:connection/11111111-2222-3333-4444-555555555555"
    app["aws"] |= {"account": ACCOUNT, "region": "us-east-1", "connection": connection}
    (temporary / "shipway.yaml").write_text(yaml.safe_dump(app))
    return temporary


def _words(root: str) -> list[str]:
    return [f"-var={name}={json.dumps(value)}" for name, value in VARIABLES.get(root, {}).items()]


def _apply(copy: Path, root: str, *more: str) -> str:
    done = terraform.run(
        copy / "infra" / root, "apply", "-auto-approve", "-no-color", "-input=false", *_words(root), *more, check=False
    )
    if done.returncode != 0:
        raise terraform.Failed("\n" + done.stderr)
    return done.stdout.strip().splitlines()[-1] if "Outputs:" not in done.stdout else _summary(done.stdout)


def _summary(text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("Apply complete"))


def _unchanged(copy: Path, root: str, allowed: dict[str, str], seen: report.Root) -> str:
    """Raises Failed for a change that does not stand in rehearsal/drift.yaml; those that do are noted."""
    folder = copy / "infra" / root
    done = terraform.run(folder, "plan", "-out=again.tfplan", "-input=false", *_words(root), check=False)
    if done.returncode != 0:
        raise terraform.Failed("\n" + done.stderr)
    plan: dict[str, Any] = json.loads(terraform.run(folder, "show", "-json", "again.tfplan").stdout)
    known: list[str] = []
    new: list[str] = []
    for change in plan.get("resource_changes", ()):
        change_of = change["change"]
        actions, before, after = (change_of[key] or {} for key in ("actions", "before", "after"))
        if actions in (["no-op"], ["read"]):
            continue
        # Of a replacement only what forces it: all else is made anew with it.
        forces = {path[0] for path in change_of.get("replace_paths", ())}
        keys = sorted(forces or {key for key in {**before, **after} if before.get(key) != after.get(key)})
        for key in keys or actions:
            name = f"{change['type']}.{key}"
            (known if name in allowed else new).append(f"{change['address']}.{key} ({actions[0]})")
            seen.differs = sorted({*seen.differs, name})
    if new:
        raise terraform.Failed("\n" + "\n".join(f"  {line}" for line in new))
    return f"nothing changes, but for {len(known)} that stand in rehearsal/drift.yaml" if known else "nothing changes"


def _roll_out(copy: Path, root: str) -> str:
    """What a rollout and a promotion do, as far as the emulator knows the calls."""
    app = yaml.safe_load((copy / "shipway.yaml").read_text())["app"]
    environment = Path(root).name
    services = json.loads(terraform.run(copy / "infra" / root, "output", "-json", "services").stdout)
    ecs, elb, ssm = (boto3.client(name, region_name="us-east-1") for name in ("ecs", "elbv2", "ssm"))
    for name, service in services.items():
        first = ecs.describe_task_definition(taskDefinition=service["family"])["taskDefinition"]
        kept = ("family", "networkMode", "containerDefinitions", "requiresCompatibilities", "cpu", "memory")
        new = ecs.register_task_definition(**{key: first[key] for key in kept if key in first})["taskDefinition"]
        breaker = {"enable": True, "rollback": False}
        ecs.update_service(
            cluster=f"{app}-{environment}",
            service=name,
            taskDefinition=new["taskDefinitionArn"],
            deploymentConfiguration={"deploymentCircuitBreaker": breaker, "maximumPercent": 150},
        )
        groups = service["target_groups"]
        weights = [{"TargetGroupArn": groups[side], "Weight": weight} for side, weight in (("blue", 0), ("green", 100))]
        elb.modify_rule(
            RuleArn=service["rule"], Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": weights}}]
        )
    ssm.put_parameter(Name=f"/{app}/{environment}/model-version", Value="v1.1", Type="String", Overwrite=True)
    return "task definitions, services, weights, the model's version"


def _destroy(copy: Path, root: str, allowed: dict[str, str], seen: report.Root) -> str:
    """Without the resources whose type stands in rehearsal/drift.yaml by itself: the emulator cannot delete those."""
    listed = terraform.run(copy / "infra" / root, "state", "list").stdout.splitlines()
    if left := [address for address in listed if {*address.replace("[", ".").split(".")} & allowed.keys()]:
        terraform.run(copy / "infra" / root, "state", "rm", *left)
        seen.left = report.kinds_in(left)
    words = [*_words(root), *(["-var=protected=false"] if _protected(root) else [])]
    command = ["destroy", "-auto-approve", "-no-color", "-input=false", *words]
    done = terraform.run(copy / "infra" / root, *command, check=False)
    if "already scheduled for deletion" in done.stderr:
        # A slow answer made the provider ask twice; the emulator refuses what it has done already.
        done = terraform.run(copy / "infra" / root, *command, check=False)
    if done.returncode != 0:
        raise terraform.Failed("\n" + done.stderr)
    said = done.stdout.strip().splitlines()[-1]
    return f"{said} {len(left)} left in the emulator, as rehearsal/drift.yaml says" if left else said


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except terraform.Failed as failed:
        sys.exit(str(failed))
