"""What the pipeline's own actions run in CodeBuild: `release` writes what was built, `rollout` brings it to an environment.

    python -m shipway.wiring.rollout_program release
    python -m shipway.wiring.rollout_program rollout --environment prod --release r41 [--back] [--dry-run]

Exit codes as everywhere: 0 done and read back, 1 fault, 2 usage, 3 refused, 4 rolled back. `release` writes its number to
stdout and nothing else; the story goes to stderr.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from shipway.aws.calls import Calls
from shipway.aws.names import Names, names_of
from shipway.aws.new_release import (
    BUILD_OUTPUT,
    BuiltBundle,
    built_bundle,
    built_digest,
    latest_model,
    new_release,
    same_as_one_of,
)
from shipway.aws.one_off import OneOffs
from shipway.aws.parameters import Parameters
from shipway.aws.read_back import ask_public
from shipway.aws.release_store import ReleaseStore
from shipway.aws.rollout import Order, Parts, Rollout
from shipway.aws.services import Services
from shipway.aws.shifting import EcsShifter
from shipway.aws.target_groups import TargetGroups
from shipway.core.errors import ShipwayError, UsageError
from shipway.core.releases.release import Release
from shipway.description.reader import load
from shipway.local.source.git_source import GitSource
from shipway.wiring.aws_bundles import ReleaseOnDevices, offered

DESCRIPTION = "shipway.yaml"
_IMAGE = re.compile(r"CODEBUILD_SRC_DIR_\w+_image")
_BUNDLE = re.compile(r"CODEBUILD_SRC_DIR_\w+_bundle")
_BUCKET = re.compile(r"(?P<app>[a-z][a-z0-9-]*)-(?P<account>[0-9]{12})-releases")
PATIENCE = 300.0
"""Seconds that a call which AWS throttles or does not answer is tried again."""
_SAME_RELEASES = 20
"""Among so many of the newest releases the same one is looked for, when an action is repeated."""


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Carry one action out; its exit code."""
    arguments = _arguments(argv, environ)
    try:
        if arguments.action == "release":
            sys.stdout.write(f"{release(environ)}\n")
        else:
            tell(rollout(arguments, environ))
    except ShipwayError as error:
        return told_of(error)
    return 0


def release(environ: Mapping[str, str]) -> str:
    """Write the release of what the pipeline has built; its number. The same action repeated makes no second one."""
    app = load(_source(environ) / DESCRIPTION)
    names = names_of(app)
    calls = Calls(names.region, patience=PATIENCE)
    calls.check_account(names.account)
    digests = dict(built_digest(path.read_bytes(), str(path)) for path in _outputs(environ, _IMAGE))
    bundle = _bundle(environ)
    commit, model = environ.get("CODEBUILD_RESOLVED_SOURCE_VERSION", ""), latest_model(calls, names)
    store = ReleaseStore(calls, names)

    def make(id: str) -> Release:
        return new_release(id, app, names, commit, digests, model, bundle, time.time())

    made = same_as_one_of(make(""), store.releases(_SAME_RELEASES)) or store.add_release(make)
    contents = [f"{name} {artifact.short}" for name, artifact in made.artifacts.items()]
    contents += [f"bundle {made.app_version}"] if made.app_version is not None else []
    tell(f"release {made.id}: {', '.join(contents)}, model {made.model_version or 'none was promoted yet'}")
    return made.id


def rollout(arguments: argparse.Namespace, environ: Mapping[str, str]) -> str:
    """Bring a release to an environment; what was read back. Raises ShipwayError."""
    names = names_in(environ)
    calls = Calls(names.region, patience=PATIENCE)
    calls.check_account(names.account)
    store = ReleaseStore(calls, names)
    wanted, environment = store.release(arguments.release), arguments.environment
    if environment not in wanted.app.environments:
        known = ", ".join(wanted.app.environments)
        raise UsageError(f"{wanted.id} knows no environment {environment!r}", fix=f"name one of: {known}")
    services = Services(calls, names.cluster(environment))
    order = Order(
        id=f"{environ.get('EXECUTION') or environ.get('CODEBUILD_BUILD_ID') or uuid.uuid4()}-{environment}",
        environment=environment,
        release=wanted,
        by=environ.get("BY") or environ.get("CODEBUILD_INITIATOR") or "somebody",
        run=environ.get("EXECUTION") or None,
        back=arguments.back,
        build=environ.get("CODEBUILD_BUILD_ID", ""),
    )
    parts = Parts(
        names=names_of(wanted.app),
        services=services,
        shifter=EcsShifter(services, time.sleep),
        one_offs=OneOffs(services, time.time, time.sleep),
        groups=TargetGroups(calls),
        parameters=Parameters(calls),
        store=store,
        ask=ask_public,
        clock=time.time,
        sleep=time.sleep,
        tell=tell,
    )
    moving = Rollout(parts, order)
    if arguments.dry_run:
        return "\n".join([*moving.look_ahead(), "nothing was changed"])
    devices = _on_devices(calls, store, order, environ)
    if devices is not None:
        devices.before(back=order.back)
    found = moving.carry_out()
    if devices is not None:
        # After the API was read back: a new bundle may need it.
        devices.after()
    return f"✔ {environment} serves {wanted.id} (read back: {found})"


def _on_devices(calls: Calls, store: ReleaseStore, order: Order, environ: Mapping[str, str]) -> ReleaseOnDevices | None:
    """What the rollout does with the app's bundles; None where neither release has any."""
    serving = store.history(order.environment)
    served = serving.record.stable if serving is not None else None
    stable = store.release(served) if served is not None else None
    if not any(one is not None and one.app.apps for one in (order.release, stable)):
        return None
    root = _source(environ)
    source = GitSource(root) if (root / DESCRIPTION).is_file() else None
    names = names_of(order.release.app if order.release.app.apps or stable is None else stable.app)
    one = offered(names, calls, store, (order.environment,), tell)
    run = order.run or order.id
    return ReleaseOnDevices(one, order.environment, order.release, stable, source, run, order.by, tell)


def _arguments(argv: Sequence[str] | None, environ: Mapping[str, str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m shipway.wiring.rollout_program", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("release", help="write what the pipeline has built as a release; prints its number")
    one = actions.add_parser("rollout", help="bring a release to an environment")
    one.add_argument("--environment", required=True)
    one.add_argument("--release", required=True, help="its number, such as r41")
    one.add_argument(
        "--back", action="store_true", default=environ.get("BACK") == "1", help="to a release that has served: at once"
    )
    one.add_argument("--dry-run", action="store_true", help="print the plan, change nothing")
    return parser.parse_args(argv)


def _source(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("CODEBUILD_SRC_DIR") or ".")


def _outputs(environ: Mapping[str, str], inputs: re.Pattern[str]) -> list[Path]:
    """What builds handed on: one file in each of the action's other inputs of that kind."""
    found = [Path(folder) / BUILD_OUTPUT for name, folder in sorted(environ.items()) if inputs.fullmatch(name)]
    if missing := [str(path) for path in found if not path.is_file()]:
        raise ShipwayError(f"{missing[0]} is missing", fix="its buildspec.yml must hand it on as an artifact")
    return found


def _bundle(environ: Mapping[str, str]) -> BuiltBundle | None:
    """The bundle that was built of the app, if there is one."""
    found = [built_bundle(path.read_bytes(), str(path)) for path in _outputs(environ, _BUNDLE)]
    return found[0] if found else None


def names_in(environ: Mapping[str, str]) -> Names:
    """Of shipway.yaml where the source is at hand; else of the bucket's name and the region that CodeBuild tells."""
    described = _source(environ) / DESCRIPTION
    if described.is_file():
        return names_of(load(described))
    bucket, region = _BUCKET.fullmatch(environ.get("RELEASES_BUCKET", "")), environ.get("AWS_REGION")
    if bucket is None or not region:
        raise UsageError(
            "neither shipway.yaml nor RELEASES_BUCKET and AWS_REGION say where the app lives",
            fix="run it in the folder of shipway.yaml",
        )
    return Names(bucket["app"], bucket["account"], region)


def tell(line: str) -> None:
    """A line of the story."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def told_of(error: ShipwayError) -> int:
    """The exit code of an error, once it is told."""
    sys.stderr.write(f"✘ {error.what}\n")
    for name, text in (("state", error.state), ("fix", error.fix)):
        if text:
            sys.stderr.write(f"  {name}: {text}\n")
    return error.exit_code


if __name__ == "__main__":
    raise SystemExit(main())
