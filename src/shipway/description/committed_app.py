"""Compares an app's description with its repository: whether the newest commit holds what `shipway.yaml` names."""

from __future__ import annotations

from pathlib import Path

from shipway.core.apps.gate import Api, BundleInUse, misfits, read_document
from shipway.core.apps.remarks import remarks as app_remarks
from shipway.core.description import DESCRIPTION
from shipway.core.description.app import App
from shipway.core.errors import ShipwayError, UsageError
from shipway.core.releases.release import Commit
from shipway.description import reader as description_file
from shipway.local.apps.committed import CommittedDeviceApp
from shipway.local.source.committed import CommittedService
from shipway.local.source.git_source import GitSource

_Found = tuple[tuple[str, ...], str]
"""A key of the description, and what is wrong there."""


def check(path: Path, app: App) -> tuple[str | None, list[str]]:
    """The commit that a description was compared with, if there is one, and remarks.

    Raises UsageError, with a line for each mistake, when the commit lacks what the description names.
    """
    try:
        source = GitSource(path.resolve().parent)
        commit = source.resolve("HEAD")
    except ShipwayError as error:
        return None, [f"folders, lock files and programs were not looked up: {error.what}"]
    found: list[_Found] = [
        (("services", name, mistake.key), f"{mistake.what}; {mistake.fix}")
        for name, service in app.services.items()
        for mistake in CommittedService(source, commit, name, service).mistakes()
    ]
    found += _mistakes_of_apps(source, commit, app)
    if found:
        report = description_file.report(path.read_bytes(), path.name, found)
        raise UsageError(report, fix="correct it and commit: only what is committed is deployed")
    remarks = [*app_remarks(app)]
    if path.name == DESCRIPTION and source.uncommitted(commit, [DESCRIPTION]):
        remarks.append(f"{DESCRIPTION} is not committed as it stands here; deploy takes it as committed")
    return commit.short, remarks


def _mistakes_of_apps(source: GitSource, commit: Commit, app: App) -> list[_Found]:
    """What the commit lacks of apps that devices run, and what their bundles would call in vain."""
    found: list[_Found] = []
    documents = {}
    for name, service in app.services.items():
        if service.openapi is not None and app.apps:
            try:
                documents[name] = read_document(
                    source.read(commit, f"{service.path}/{service.openapi}"), service.openapi
                )
            except UsageError as error:
                found.append((("services", name, "openapi"), f"{error.what}; {error.fix}"))
    for name, described in app.apps.items():
        committed = CommittedDeviceApp(source, commit, name, described)
        mistakes: list[_Found] = [(("apps", name, *key), what) for key, what in committed.mistakes()]
        found += mistakes
        if mistakes:
            continue
        bundle = BundleInUse(f"of {commit.short}", committed.calls())
        for misfit in misfits([bundle], Api(commit.short, documents)):
            found.append((("apps", name, "calls", misfit.service), f"{misfit}"))
    return found
