"""The verbs of model versions over one app on AWS. Models are packed on this machine, then put into the bucket."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from shipway.aws.calls import Calls
from shipway.aws.model_desk import AwsModelDesk
from shipway.aws.model_moves import ModelParts
from shipway.aws.model_trials import AwsExperiments
from shipway.aws.names import Names
from shipway.aws.release_store import ReleaseStore
from shipway.aws.version_store import S3VersionStore
from shipway.core.description.app import App
from shipway.core.ports import Source
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.registry.registry import ModelRegistry
from shipway.wiring.programs import packer


def model_verbs(
    root: Path,
    app: App,
    names: Names,
    calls: Calls,
    store: ReleaseStore,
    source: Source,
    steady: Callable[[], float],
) -> tuple[AwsModelDesk, AwsExperiments]:
    """The verbs of versions, and those of splits and shadows. `root` is the app's folder."""
    # Not in the app's folder: there is no daemon that would keep git from seeing it.
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shipway"
    store_of_versions = S3VersionStore(calls, names.models_bucket)
    registry = ModelRegistry(store_of_versions, packer(PythonEnvironments(cache / "environments")), root)
    parts = ModelParts(app, names, calls, registry, store, steady=steady)
    return AwsModelDesk(parts, source), AwsExperiments(parts)
