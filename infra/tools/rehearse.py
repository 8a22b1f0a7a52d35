"""`make infra-rehearse`: applies every root to an emulator, plans again, makes a rollout's calls, plans again, destroys.

What no emulator holds is left out by `rehearsal/overrides`, laid over a copy: the modules stay as they are. What an
emulator answers is no proof of AWS; the report says for each resource type what was seen.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import yaml

from tools import terraform

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
    kinds: set[str] = set()
    with tempfile.TemporaryDirectory() as temporary, _emulator() as address:
        copy = _copy(Path(temporary))
        os.environ |= {"AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        applied: list[str] = []
        for root in roots:
            terraform.init(copy / "infra" / root, backend=True)
            if _step(problems, f"{root}: apply", _apply, copy, root):
                applied.append(root)
                kinds |= _kinds(copy, root)
                _step(problems, f"{root}: plan again", _unchanged, copy, root, allowed)
        for root in applied:
            if root.startswith("environments/") and not root.endswith("shared-nonprod"):
                _step(problems, f"{root}: a rollout's calls", _roll_out, copy, root)
                _step(problems, f"{root}: plan after them", _unchanged, copy, root, allowed)
        for root in reversed(applied):
            _step(problems, f"{root}: destroy", _destroy, copy, root, allowed)
    print(f"applied on the emulator, {len(kinds)} resource types: {', '.join(sorted(kinds))}")
    return 1 if problems else 0


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


@contextmanager
def _emulator() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    program = Path(sys.executable).with_name("ministack")
    log = terraform.INFRA / "rehearsal" / "emulator.log"
    with log.open("w") as output:
        server = subprocess.Popen([program], env=os.environ | {"GATEWAY_PORT": str(port)}, stdout=output, stderr=output)
        try:
            _wait_for(port, server)
            yield address
        finally:
            server.terminate()
            server.wait(timeout=30)


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(240):
        if server.poll() is not None:
            raise terraform.Failed("the emulator ended: see infra/rehearsal/emulator.log")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2):
                return
        except OSError:
            time.sleep(0.25)
    raise terraform.Failed("the emulator did not answer within a minute: see infra/rehearsal/emulator.log")


def _words(root: str) -> list[str]:
    return [f"-var={name}={json.dumps(value)}" for name, value in VARIABLES.get(root, {}).items()]


def _apply(copy: Path, root: str) -> str:
    done = terraform.run(
        copy / "infra" / root, "apply", "-auto-approve", "-no-color", "-input=false", *_words(root), check=False
    )
    if done.returncode != 0:
        raise terraform.Failed("\n" + done.stderr)
    return done.stdout.strip().splitlines()[-1] if "Outputs:" not in done.stdout else _summary(done.stdout)


def _summary(text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("Apply complete"))


def _kinds(copy: Path, root: str) -> set[str]:
    lines = terraform.run(copy / "infra" / root, "state", "list").stdout.splitlines()
    return {
        part for line in lines for part in line.split(".") if part.startswith("aws_") and ".data." not in f".{line}"
    }


def _unchanged(copy: Path, root: str, allowed: dict[str, str]) -> str:
    """Raises Failed for a change that does not stand in rehearsal/drift.yaml."""
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
            (known if f"{change['type']}.{key}" in allowed else new).append(f"{change['address']}.{key} ({actions[0]})")
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


def _destroy(copy: Path, root: str, allowed: dict[str, str]) -> str:
    """Without the resources whose type stands in rehearsal/drift.yaml by itself: the emulator cannot delete those."""
    listed = terraform.run(copy / "infra" / root, "state", "list").stdout.splitlines()
    if left := [address for address in listed if {*address.replace("[", ".").split(".")} & allowed.keys()]:
        terraform.run(copy / "infra" / root, "state", "rm", *left)
    done = terraform.run(
        copy / "infra" / root, "destroy", "-auto-approve", "-no-color", "-input=false", *_words(root), check=False
    )
    if done.returncode != 0:
        raise terraform.Failed("\n" + done.stderr)
    said = done.stdout.strip().splitlines()[-1]
    return f"{said} {len(left)} left in the emulator, as rehearsal/drift.yaml says" if left else said


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except terraform.Failed as failed:
        sys.exit(str(failed))
