"""Looks at what an app needs on AWS, from credentials to quotas. Each check only looks, and says how to get what is missing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec

from shipway.aws.builds import Builds
from shipway.aws.calls import AccessDenied, AwsError, Calls
from shipway.aws.names import Names, names_of
from shipway.aws.pipelines import person
from shipway.aws.quotas import ON_DEMAND, Quotas, needed
from shipway.aws.services import Services
from shipway.core.checks import Check
from shipway.core.description.app import App
from shipway.core.errors import ShipwayError, UsageError

_HOW = "infra/README.md tells how, step by step"
_CONSOLE = "https://console.aws.amazon.com"
_ISSUED = "ISSUED"


def examine(described: Callable[[], App], calls_of: Callable[[str], Calls]) -> Iterator[Check]:
    """All checks, in the order in which a fault is best mended; each is made when it is asked for.

    `described` reads and checks shipway.yaml; `calls_of` makes what calls AWS in a region. What the rest depends on ends
    the list where it is bad.
    """
    if find_spec("boto3") is None:
        yield Check("boto3", "bad", "not installed", "pip install 'shipway[aws]'")
        return
    yield Check("boto3", "good", "installed")
    try:
        app = described()
        names = names_of(app)
    except ShipwayError as error:
        yield Check("shipway.yaml", "bad", error.what, error.fix)
        return
    yield Check("shipway.yaml", "good", f"{app.app}: account {names.account}, {names.region}")
    yield terraform()
    region = regional(names.region)
    yield region
    if region.state == "bad":
        return
    calls = calls_of(names.region)
    caller = credentials(calls, names)
    yield caller
    if caller.state == "bad":
        return
    for checks in (
        lambda: bucket(calls, names.bucket("terraform-state"), "state", "infra/bootstrap"),
        lambda: bucket(calls, names.releases_bucket, "releases", "infra/app"),
        lambda: connection(calls, app, names),
        *(lambda name=name: pipeline(calls, names, name) for name in app.environments),
        *(lambda name=name: cluster(calls, app, names, name) for name in app.environments),
        *(lambda name=name: rollback(calls, names, name) for name in app.environments),
        lambda: certificates(calls, app),
        lambda: quota(calls, app),
    ):
        yield from _allowed(checks)


def terraform() -> Check:
    """Terraform makes everything here; who only deploys does without."""
    if shutil.which("terraform"):
        return Check("terraform", "good", "on PATH")
    return Check(
        "terraform", "optional", "not on PATH", "needed by who applies infra/: developer.hashicorp.com/terraform"
    )


def regional(region: str) -> Check:
    """Whether AWS has ECS in the region. botocore knows it without a call."""
    import boto3

    known = boto3.session.Session(region_name=region).get_available_regions("ecs")
    if region in known:
        return Check("region", "good", region)
    near = [name for name in known if name.split("-")[0] == region.split("-", maxsplit=1)[0]]
    return Check(
        "region", "bad", f"AWS has no ECS in {region!r}", f"aws.region in shipway.yaml: {', '.join(near or known)}"
    )


def credentials(calls: Calls, names: Names) -> Check:
    """Whose they are, and whether they are good for the account of shipway.yaml."""
    try:
        who = calls.check_account(names.account)
    except ShipwayError as error:
        return Check("credentials", "bad", error.what, error.fix)
    return Check("credentials", "good", person(who))


def bucket(calls: Calls, name: str, what: str, root: str) -> Iterator[Check]:
    """A bucket that Terraform makes."""
    try:
        calls.call("s3", "head_bucket", Bucket=name)
    except AwsError as error:
        yield Check(what, "bad", f"no bucket {name} ({error.code})", f"apply {root}: {_HOW}")
        return
    yield Check(what, "good", name)


def connection(calls: Calls, app: App, names: Names) -> Iterator[Check]:
    """The way to the repository, which a person confirms once."""
    assert app.aws is not None
    asked = app.aws.connection
    if asked == "codecommit":
        yield Check("source", "good", f"CodeCommit, {app.aws.repository or app.app}")
        return
    if asked == "github":
        # One call has a hundred of them, and an account rarely more than a handful.
        found = calls.call("codeconnections", "list_connections", ProviderTypeFilter="GitHub", MaxResults=100)
        states = [one["ConnectionStatus"] for one in found.get("Connections", ()) if one["ConnectionName"] == names.app]
    else:
        states = [
            calls.call("codeconnections", "get_connection", ConnectionArn=asked)["Connection"]["ConnectionStatus"]
        ]
    if not states:
        yield Check("connection", "bad", f"no connection {names.app} to GitHub", f"apply infra/app: {_HOW}")
    elif "AVAILABLE" in states:
        yield Check("connection", "good", f"to {app.aws.repository or app.app}")
    else:
        link = f"{_CONSOLE}/codesuite/settings/connections?region={names.region}"
        fix = f"a person confirms it once: {link}, choose {names.app}, Update pending connection"
        yield Check("connection", "bad", f"{states[0]}: no push starts a run", fix)


def pipeline(calls: Calls, names: Names, environment: str) -> Iterator[Check]:
    """The pipeline of the environment's branch."""
    name = names.pipeline(environment)
    try:
        calls.call("codepipeline", "get_pipeline_state", name=name)
    except AwsError as error:
        if error.code != "PipelineNotFoundException":
            raise
        yield Check("pipeline", "bad", f"no {name}", f"apply infra/app: {_HOW}")
        return
    yield Check("pipeline", "good", name)


def cluster(calls: Calls, app: App, names: Names, environment: str) -> Iterator[Check]:
    """The environment's cluster, and a service for each of shipway.yaml's: Terraform may have stopped halfway."""
    try:
        found = Services(calls, names.cluster(environment)).describe(list(app.services))
    except UsageError as error:
        yield Check(environment, "bad", error.what, f"apply infra/environments/{environment}: {_HOW}")
        return
    running = ", ".join(f"{name} {service.running}/{service.desired}" for name, service in found.items())
    yield Check(environment, "good", running)


def rollback(calls: Calls, names: Names, environment: str) -> Iterator[Check]:
    """Whether a rollback can be started without a pipeline."""
    if Builds(calls).needs_source(names.rollout_project(environment)):
        found = f"{environment}: the rollout's program is installed from a commit's folder"
        fix = (
            "set `shipway` in infra/app to a requirement, such as a wheel's address, so that rollbacks need no pipeline"
        )
        yield Check("rollback", "optional", found, fix)


def certificates(calls: Calls, app: App) -> Iterator[Check]:
    """The certificate of each environment's host. One that waits lists the records that prove the domain."""
    assert app.aws is not None
    domain = app.aws.domain
    asked = {"CertificateStatuses": [_ISSUED, "PENDING_VALIDATION", "VALIDATION_TIMED_OUT", "FAILED", "EXPIRED"]}
    known = list(calls.pages("acm", "list_certificates", "CertificateSummaryList", **asked))
    for environment in app.environments:
        host = domain if environment == "prod" else f"{environment}.{domain}"
        of_host = [one for one in known if _covers(one, host)]
        if any(one["Status"] == _ISSUED for one in of_host):
            yield Check("certificate", "good", host)
        elif not of_host:
            yield Check("certificate", "bad", f"none for {host}", f"apply infra/environments/{environment}: {_HOW}")
        else:
            yield _waiting(calls, of_host[0], host)


def quota(calls: Calls, app: App) -> Iterator[Check]:
    """VCPUs that the account may run at once, against what the app comes to at its largest."""
    allowed, most = Quotas(calls).fargate(ON_DEMAND), needed(app)
    found = f"{allowed:g} vCPUs of Fargate; all environments at their largest, with one rollout: {most:g}"
    if allowed >= most:
        yield Check("quota", "good", found)
        return
    assert app.aws is not None
    link = f"{_CONSOLE}/servicequotas/home/services/fargate/quotas/{ON_DEMAND}?region={app.aws.region}"
    yield Check("quota", "bad", found, f"ask for {most:g} or more, which takes AWS minutes to days: {link}")


def _waiting(calls: Calls, summary: dict[str, str], host: str) -> Check:
    status = summary["Status"].lower().replace("_", " ")
    if summary["Status"] != "PENDING_VALIDATION":
        return Check("certificate", "bad", f"{host}: {status}", f"destroy it and apply its environment again: {_HOW}")
    found = calls.call("acm", "describe_certificate", CertificateArn=summary["CertificateArn"])["Certificate"]
    records = [one["ResourceRecord"] for one in found.get("DomainValidationOptions", ()) if "ResourceRecord" in one]
    lines = "; ".join(f"{one['Name']} {one['Type']} {one['Value']}" for one in records)
    return Check(
        "certificate", "bad", f"{host}: {status}", f"write into the domain's DNS: {lines or 'AWS has no record yet'}"
    )


def _covers(summary: dict[str, object], host: str) -> bool:
    alternatives = summary.get("SubjectAlternativeNameSummaries")
    names = [str(summary["DomainName"]), *(alternatives if isinstance(alternatives, list) else ())]
    return host in names or f"*.{host.partition('.')[2]}" in names


def _allowed(checks: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """What may not be looked at is no fault: who deploys needs no leave to read quotas."""
    try:
        yield from checks()
    except AccessDenied as error:
        yield Check("not allowed", "optional", error.what, error.fix)
    except ShipwayError as error:
        yield Check("AWS", "bad", error.what, error.fix)
