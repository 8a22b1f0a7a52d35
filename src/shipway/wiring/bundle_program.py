"""What CodeBuild runs for the app's bundles: `build` makes one and puts it into S3, `look` judges the one on its way.

    python -m shipway.wiring.bundle_program build --app mobile-app
    python -m shipway.wiring.bundle_program look --environment prod

Exit codes as everywhere: 0 done, 1 fault, 2 usage, 3 refused. `build` writes build-output.json, which the release reads.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from shipway.aws.bundles import AwsBundles
from shipway.aws.calls import Calls
from shipway.aws.names import names_of
from shipway.aws.new_release import BUILD_OUTPUT
from shipway.aws.parameters import Parameters
from shipway.aws.release_store import LostRace, ReleaseStore
from shipway.core.contract.bundles import Bundle
from shipway.core.description import DESCRIPTION
from shipway.core.description.device_app import DeviceApp
from shipway.core.errors import ShipwayError, UsageError
from shipway.core.releases.release import Commit
from shipway.description.reader import load
from shipway.local.apps.bucket import BundleBucket
from shipway.local.apps.bundle_builder import BundleBuilder
from shipway.local.apps.node import NodeEnvironments
from shipway.local.builds.confinement import Confinement
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.local.source.git_source import GitSource
from shipway.wiring.aws_bundles import offered
from shipway.wiring.rollout_program import PATIENCE, names_in, tell, told_of


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Carry one action out; its exit code."""
    arguments = _arguments(argv)
    try:
        if arguments.action == "build":
            build(arguments.app, environ)
        else:
            look(arguments.environment, environ)
    except ShipwayError as error:
        return told_of(error)
    return 0


def build(name: str, environ: Mapping[str, str]) -> Bundle:
    """The bundle of the source's commit, in S3, and build-output.json. An unchanged app is not built again."""
    root = Path(environ.get("CODEBUILD_SRC_DIR") or ".").absolute()
    app = load(root / DESCRIPTION)
    described = app.apps.get(name)
    if described is None:
        raise UsageError(f"shipway.yaml has no app {name!r}", fix=f"allowed: {', '.join(app.apps) or 'none'}")
    names = names_of(app)
    calls = Calls(names.region, patience=PATIENCE)
    calls.check_account(names.account)
    bundles, source = AwsBundles(calls, names, Parameters(calls)), GitSource(root)
    commit = source.resolve(environ.get("CODEBUILD_RESOLVED_SOURCE_VERSION") or "HEAD")
    inputs = _inputs(source.tree_id(commit, described.path), described)
    found = bundles.built(inputs)
    if found is not None:
        tell(f"{name}: unchanged, {found.version}")
    else:
        found = _made(root, source, commit, name, described, bundles)
        bundles.note_built(inputs, found.version)
    output = {"app": name, "version": found.version, "content": found.content}
    (root / BUILD_OUTPUT).write_text(json.dumps(output) + "\n")
    return found


def look(environment: str, environ: Mapping[str, str]) -> None:
    """One look at the environment's bundle on its way, and what follows from it; then the schedule, if there is none."""
    names = names_in(environ)
    calls = Calls(names.region, patience=PATIENCE)
    calls.check_account(names.account)
    store = ReleaseStore(calls, names)
    kept = store.history(environment)
    if kept is None or kept.record.stable is None:
        raise UsageError(f"{environment} serves nothing yet", fix="shipway --target aws deploy")
    release = store.release(kept.record.stable)
    one = offered(names_of(release.app), calls, store, (environment,), tell)
    try:
        one.offerings.tend()
    except LostRace:
        tell(f"{environment}: somebody changed what is offered meanwhile; the next look goes on from there")
    one.records.attend(environment)
    candidate = one.offerings.of(environment).candidate
    if candidate is None:
        tell(f"{environment}: no bundle is on its way")
    else:
        tell(f"{environment}: bundle {candidate.version} at {candidate.share:g} % of the devices: {candidate.verdict}")


def _made(root: Path, source: GitSource, commit: Commit, name: str, app: DeviceApp, bundles: AwsBundles) -> Bundle:
    """Built as on one machine, by the same code, so that equal files are one bundle everywhere; then put into S3."""
    with tempfile.TemporaryDirectory(prefix="shipway-bundle-") as work:
        state = Path(work)
        confinement = Confinement.of_machine(root)
        environments = PythonEnvironments(state / "environments", confinement)
        bucket = BundleBucket(state / "bundles")
        nodes = NodeEnvironments(state / "environments", environments)
        bundle = BundleBuilder(state, source, bucket, nodes, confinement).build(commit, name, app, tell)
        return bundles.add(bucket.folder / bundle.version)


def _inputs(tree: str, app: DeviceApp) -> str:
    """SHA-256 of all that a bundle is made of and described by: the folder's git tree, and the app's description."""
    return hashlib.sha256(f"{tree}\n{app.model_dump_json()}".encode()).hexdigest()


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m shipway.wiring.bundle_program", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    one = actions.add_parser("build", help="build the bundle of an app and put it into S3")
    one.add_argument("--app", required=True, help="its name in `apps:` of shipway.yaml")
    one = actions.add_parser("look", help="judge the bundle on its way, and do what follows")
    one.add_argument("--environment", required=True)
    return parser.parse_args(argv)


if __name__ == "__main__":
    raise SystemExit(main())
