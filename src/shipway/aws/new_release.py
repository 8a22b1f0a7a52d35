"""What a pipeline has built → a release: the digests that builds hand on, and the model that new releases take."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shipway.aws.calls import AwsError, Calls
from shipway.aws.names import Names
from shipway.core.contract.bundles import VERSION as BUNDLE_VERSION
from shipway.core.contract.version import VERSION
from shipway.core.description.app import App
from shipway.core.errors import Refused, ShipwayError
from shipway.core.releases.release import Artifact, Release

_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
LARGEST = 4 * 1024**2
"""Bytes of a model's metadata."""
BUILD_OUTPUT = "build-output.json"
"""What a build hands on."""


@dataclass(frozen=True, slots=True)
class Model:
    """The version that new releases take; digests are SHA-256, of its file and of its feature schema."""

    version: str
    digest: str
    schema: str


@dataclass(frozen=True, slots=True)
class BuiltBundle:
    """The bundle that a build has put into S3: of which app, its version and the SHA-256 of its content."""

    app: str
    version: str
    content: str


def built_digest(text: str | bytes, where: str) -> tuple[str, str]:
    """Service and image digest of a build's `build-output.json`. Raises ShipwayError."""
    try:
        found = json.loads(text)
        service, digest = found["service"], _DIGEST.fullmatch(found["digest"])
    except (ValueError, TypeError, KeyError):
        service, digest = "", None
    if digest is None or not isinstance(service, str):
        raise ShipwayError(
            f'{where} is not {{"service": NAME, "digest": "sha256:…", "tree": …}}',
            fix="see the service's buildspec.yml: its last command writes the file",
        )
    return service, digest[1]


def built_bundle(text: str | bytes, where: str) -> BuiltBundle:
    """The bundle of a build's `build-output.json`. Raises ShipwayError."""
    try:
        found = json.loads(text)
        bundle = BuiltBundle(str(found["app"]), str(found["version"]), str(found["content"]))
    except (ValueError, TypeError, KeyError):
        bundle = None
    if bundle is None or BUNDLE_VERSION.fullmatch(bundle.version) is None or _DIGEST.fullmatch(bundle.content) is None:
        raise ShipwayError(
            f'{where} is not {{"app": NAME, "version": …, "content": …}}',
            fix="see the app's buildspec.yml: `python -m shipway.wiring.bundle_program build` writes the file",
        )
    return bundle


def new_release(
    id: str, app: App, names: Names, commit: str, digests: Mapping[str, str], model: Model | None,
    bundle: BuiltBundle | None, now: float,
) -> Release:  # fmt: skip
    """The release of this commit. Raises ShipwayError unless exactly the described services and bundle were built."""
    if (bundle.app if bundle is not None else None) != (app.device_app[0] if app.device_app is not None else None):
        raise ShipwayError(
            f"the builds have handed on the bundle of {bundle.app if bundle is not None else 'no app'}, and shipway.yaml "
            f"has {', '.join(app.apps) or 'no app'}",
            fix="shipway --target aws infra apply app",
        )
    if _COMMIT.fullmatch(commit) is None:
        raise ShipwayError(
            f"{commit!r} is no commit", fix="the pipeline's source must be a full clone (CODEBUILD_CLONE_REF)"
        )
    if missing := sorted(set(app.services) - set(digests)):
        raise ShipwayError(
            f"no build has handed on an image of {', '.join(missing)}", fix="shipway --target aws infra apply app"
        )
    artifacts = {
        service: Artifact(service, digests[service], names.image(service, digests[service])) for service in app.services
    }
    return Release(
        id=id,
        commit=commit,
        app=app,
        artifacts=artifacts,
        model_version=model.version if model else None,
        model_digest=model.digest if model else None,
        request_schema=model.schema if model else None,
        created_at=now,
        commits=dict.fromkeys(artifacts, commit),
        app_version=bundle.version if bundle else None,
        app_digest=bundle.content if bundle else None,
    )


def same_as_one_of(release: Release, known: Iterable[Release]) -> Release | None:
    """The same release as it was written before, so that a repeated action makes no second one."""
    return next((one for one in known if release.same_as(one)), None)


def latest_model(calls: Calls, names: Names) -> Model | None:
    """The version that `latest` in the models' bucket names; None where none was promoted yet.

    Raises Refused for one that is not approved, ShipwayError for metadata that cannot be read.
    """
    pointer = _object(calls, names.models_bucket, "latest")
    if pointer is None:
        return None
    version = pointer.decode(errors="replace").strip()
    if VERSION.fullmatch(version) is None:
        raise ShipwayError(
            f"s3://{names.models_bucket}/latest names no version", fix="shipway --target aws model promote VERSION"
        )
    body = _object(calls, names.models_bucket, f"{version}/metadata.json")
    try:
        metadata: Mapping[str, Any] = json.loads(body or b"")
        status = metadata["approval"]["status"]
        digest = metadata["files"][metadata["model_file"]]["sha256"]
        schema = str(metadata["feature_schema_digest"]).removeprefix("sha256:")
    except (ValueError, TypeError, KeyError) as error:
        raise ShipwayError(
            f"s3://{names.models_bucket}/{version}/metadata.json cannot be read as docs/model-bucket.md describes it",
            fix="publish the model again as another version, and promote that",
        ) from error
    if status != "approved":
        raise Refused(f"model {version} is {status}", fix="shipway --target aws model promote another VERSION")
    return Model(version, digest, schema)


def _object(calls: Calls, bucket: str, key: str) -> bytes | None:
    try:
        body: bytes = calls.call("s3", "get_object", Bucket=bucket, Key=key)["Body"].read(LARGEST)
    except AwsError as error:
        if error.code in ("NoSuchKey", "404"):
            return None
        raise
    return body
