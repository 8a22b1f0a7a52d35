"""What Terraform makes of shipway.yaml, as far as the emulator's containers need it: made by plain calls.

`make infra-rehearse` applies the real modules. Here the names are the real ones, the shapes the smallest that route.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import TypeAdapter

from shipway.aws.names import PORT, Names
from shipway.aws.told import Told
from shipway.core.contract.bundles import Offer
from shipway.core.description.app import App
from tests.containers.emulator import Emulator


@dataclass(frozen=True, slots=True)
class Furniture:
    """An environment: the host name that leads to its load balancer, each service's target group, ARNs of its secrets."""

    host: str
    load_balancer: str
    groups: dict[str, str]
    secrets: dict[str, str]

    def told(self, service: str) -> Told:
        """What Terraform would tell of the service."""
        groups = {"blue": self.groups[service]}
        return Told(self.host, 256, 512, "X86_64", target_groups=groups, secrets=self.secrets)


def furnish(aws: Emulator, names: Names, app: App, environment: str) -> Furniture:
    """Repositories, buckets, parameters, a schedule, cluster, log groups, load balancer with the services' paths."""
    for service in app.services:
        aws.client("ecr").create_repository(repositoryName=names.repository(service), imageTagMutability="IMMUTABLE")
    for bucket in (names.models_bucket, names.monitoring_bucket, names.releases_bucket, names.bundles_bucket):
        aws.client("s3").create_bucket(Bucket=bucket)
        aws.client("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    aws.client("ssm").put_parameter(Name=names.model_version(environment), Value="none", Type="String")
    aws.client("ssm").put_parameter(Name=names.offer(environment), Value=Offer().text(), Type="String")
    looks = names.looks_project(environment)
    aws.client("events").put_rule(Name=looks, ScheduleExpression="rate(5 minutes)", State="DISABLED")
    aws.client("ecs").create_cluster(clusterName=names.cluster(environment))
    for name, service in app.services.items():
        aws.client("logs").create_log_group(logGroupName=names.log_group(environment, name, service.log_group))
    furniture = _load_balancer(aws, names, app, environment)
    for service in app.services:
        told = TypeAdapter(Told).dump_json(furniture.told(service)).decode()
        aws.client("ssm").put_parameter(Name=names.told(environment, service), Value=told, Type="String")
    return furniture


def _load_balancer(aws: Emulator, names: Names, app: App, environment: str) -> Furniture:
    elb = aws.client("elbv2")
    network = aws.client("ec2").describe_subnets()["Subnets"]
    name = f"{names.app}-{environment}"
    balancer = elb.create_load_balancer(Name=name, Subnets=[subnet["SubnetId"] for subnet in network[:2]])
    arn = balancer["LoadBalancers"][0]["LoadBalancerArn"]
    nothing = {"MessageBody": "nothing here", "StatusCode": "404", "ContentType": "text/plain"}
    listener = elb.create_listener(
        LoadBalancerArn=arn, Protocol="HTTP", Port=80,
        DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": nothing}],
    )["Listeners"][0]["ListenerArn"]  # fmt: skip
    groups = {}
    for priority, (service, described) in enumerate(app.services.items(), 1):
        group = elb.create_target_group(
            Name=names.target_group(environment, service, "blue"), Protocol="HTTP", Port=PORT, TargetType="ip",
            VpcId=network[0]["VpcId"], HealthCheckPath=described.ready,
        )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
        elb.create_rule(
            ListenerArn=listener, Priority=priority,
            Conditions=[{"Field": "path-pattern", "Values": list(described.routes)}],
            Actions=[{"Type": "forward", "TargetGroupArn": group}],
        )  # fmt: skip
        groups[service] = group
    return Furniture(f"{name}.alb.localhost:80", name, groups, _secrets(aws, names, app, environment))


def _secrets(aws: Emulator, names: Names, app: App, environment: str) -> dict[str, str]:
    """A place for each, with an RSA key as its value: what signs bundles takes no other."""
    pem = generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    return {
        name: aws.client("secretsmanager").create_secret(
            Name=names.secret(environment, name), SecretString=pem.decode()
        )["ARN"]
        for name in sorted({secret for service in app.services.values() for secret in service.secrets})
    }
