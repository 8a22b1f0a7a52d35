"""`make infra-permissions`: the roles' rendered policies, tried call by call on an emulator that enforces them.

The policies are those that Terraform renders with a mocked AWS. The emulator's enforcement is its authors' reading of
IAM, so a verdict here is a second reading of our policies, no proof of AWS. What it does not look at is asserted on the
rendered policies by infra/tests/rendered.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import ClientError

from tools import terraform
from tools.emulator import running

CALLS = terraform.INFRA / "permissions" / "calls.yaml"
ROOTS = ("app", "environments/dev", "environments/prod")
ACCOUNT, REGION = "123456789012", "us-east-1"
BOUNDED = "anything-within-the-boundary"
_DENIED = {"AccessDenied", "AccessDeniedException"}
_EVERYTHING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


@dataclass
class Role:
    """A role as Terraform rendered it."""

    trust: str
    bounded: bool
    policies: dict[str, str] = field(default_factory=dict)


def main() -> int:
    """Tries every call of the list; says which answers were not those expected."""
    roles, boundary = rendered()
    calls: dict[str, dict[str, list[list[Any]]]] = yaml.safe_load(CALLS.read_text())
    if unknown := calls.keys() - roles.keys():
        raise terraform.Failed(f"permissions/calls.yaml: Terraform renders no role {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as folder:
        command = [Path(sys.executable).with_name("localemu"), "start"]
        settings = {"IAM_ENFORCEMENT": "1", "ROOT_ACCESS_KEYS": ACCOUNT, "GATEWAY_LISTEN": "127.0.0.1:{port}"}
        with running(command, settings, Path(folder) / "emulator.log") as address:
            root = Session(address, ACCOUNT, "any", None)
            _prepare(root, boundary)
            wrong = [problem for name, tried in calls.items() for problem in _try(root, name, roles[name], tried)]
    allowed, denied = (sum(len(tried.get(key, ())) for tried in calls.values()) for key in ("may", "may_not"))
    for problem in wrong:
        print(f"✘ {problem}")
    print(f"{'✘' if wrong else '✔'} {allowed} calls let through and {denied} denied, by {len(calls)} roles")
    return 1 if wrong else 0


def rendered() -> tuple[dict[str, Role], str]:
    """Name → role, and the boundary's policy: as Terraform's tests make them. Raises Failed."""
    roles: dict[str, Role] = {}
    policies: list[dict[str, Any]] = []
    boundary = ""
    for name in ROOTS:
        folder = terraform.INFRA / name
        terraform.init(folder)
        for resource in terraform.run_tests(folder, resources=True)[1]:
            values = resource["values"]
            if resource["type"] == "aws_iam_role":
                roles[values["name"]] = Role(values["assume_role_policy"], bool(values["permissions_boundary"]))
            elif resource["type"] == "aws_iam_role_policy" and "policy" in values:  # known once the run applies
                policies.append(values)
            elif resource["type"] == "aws_iam_policy":
                boundary = values["policy"]
    for policy in policies:
        roles[policy["role"]].policies[policy["name"]] = policy["policy"]
    return roles | {BOUNDED: Role(_trusting(ACCOUNT), bounded=True, policies={"all": _EVERYTHING})}, boundary


class Session:
    """Calls as somebody."""

    def __init__(self, address: str, key: str, secret: str, token: str | None) -> None:
        self._address = address
        self._credentials = {"aws_access_key_id": key, "aws_secret_access_key": secret, "aws_session_token": token}

    def client(self, service: str, region: str = REGION) -> BaseClient:
        """boto3's client of a service of the emulator."""
        settings = Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"})
        return boto3.client(
            service, region_name=region, endpoint_url=self._address, config=settings, **self._credentials
        )  # fmt: skip

    def taking(self, role: str) -> Session:
        """The same as that role. Raises ClientError where its trust does not let us."""
        arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
        taken = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="tried")["Credentials"]
        return Session(self._address, taken["AccessKeyId"], taken["SecretAccessKey"], taken["SessionToken"])

    def denies(self, service: str, operation: str, parameters: dict[str, Any]) -> bool:
        """Whether the call is denied; any other answer means that it was let through."""
        rest = {key: value for key, value in parameters.items() if key != "in"}
        try:
            getattr(self.client(service, parameters.get("in", REGION)), operation)(**rest)
        except ClientError as error:
            return error.response["Error"]["Code"] in _DENIED
        return False


def _prepare(root: Session, boundary: str) -> None:
    """What the calls are about, so that one that is let through finds it."""
    root.client("iam").create_policy(PolicyName="ontime-boundary", PolicyDocument=boundary)
    s3, ssm, ecs = root.client("s3"), root.client("ssm"), root.client("ecs")
    for bucket, key in (
        ("ml-models-bucket", "v1.0/metadata.json"), ("monitoring-bucket", "prod/capture/a.jsonl"),
        ("releases", "r1.json"), ("artifacts", "source.zip"), ("app-bundles-bucket", "1.0.0-4f53cda18c2b/bundle.zip"),
    ):  # fmt: skip
        s3.create_bucket(Bucket=f"ontime-{ACCOUNT}-{bucket}")
        s3.put_object(Bucket=f"ontime-{ACCOUNT}-{bucket}", Key=key, Body=b"x")
    for environment in ("dev", "prod"):
        for parameter, value in (("model-version", "v1.0"), ("app-bundles", '{"stable": "builtin"}')):
            ssm.put_parameter(Name=f"/ontime/{environment}/{parameter}", Value=value, Type="String")
        ecs.create_cluster(clusterName=f"ontime-{environment}")


def _try(root: Session, name: str, role: Role, tried: dict[str, list[list[Any]]]) -> Iterator[str]:
    iam = root.client("iam")
    boundary = {"PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/ontime-boundary"} if role.bounded else {}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=role.trust, **boundary)
    for policy, text in role.policies.items():
        iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=text)
    if name != BOUNDED:
        try:
            root.taking(name)
            yield f"{name} can be taken by somebody whom its trust does not name"
        except ClientError:
            # As it should be. From here on we may: what is tried is what the role may do.
            iam.update_assume_role_policy(RoleName=name, PolicyDocument=_trusting(ACCOUNT))
    session = root.taking(name)
    for key, denied in (("may", False), ("may_not", True)):
        for service, operation, parameters in tried.get(key, ()):
            if session.denies(service, operation, parameters) != denied:
                found = "is let through" if denied else "is denied"
                yield f"{name}: {service} {operation} {parameters} {found}"


def _trusting(account: str) -> str:
    principal = {"AWS": f"arn:aws:iam::{account}:root"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


if __name__ == "__main__":
    try:
        sys.exit(main())
    except terraform.Failed as failed:
        sys.exit(str(failed))
