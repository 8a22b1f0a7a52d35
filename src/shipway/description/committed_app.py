"""Compares an app's description with its repository: whether the newest commit holds what `shipway.yaml` names."""

from __future__ import annotations

from pathlib import Path

from shipway.core.description import DESCRIPTION
from shipway.core.description.app import App
from shipway.core.errors import ShipwayError, UsageError
from shipway.description import reader as description_file
from shipway.local.source.committed import CommittedService
from shipway.local.source.git_source import GitSource


def check(path: Path, app: App) -> tuple[str | None, list[str]]:
    """The commit that a description was compared with, if there is one, and remarks.

    Raises UsageError, with a line for each mistake, when the commit lacks what the description names.
    """
    try:
        source = GitSource(path.resolve().parent)
        commit = source.resolve("HEAD")
    except ShipwayError as error:
        return None, [f"folders, lock files and programs were not looked up: {error.what}"]
    found = [
        (("services", name, mistake.key), f"{mistake.what}; {mistake.fix}")
        for name, service in app.services.items()
        for mistake in CommittedService(source, commit, name, service).mistakes()
    ]
    if found:
        report = description_file.report(path.read_bytes(), path.name, found)
        raise UsageError(report, fix="correct it and commit: only what is committed is deployed")
    remarks = []
    if path.name == DESCRIPTION and source.uncommitted(commit, [DESCRIPTION]):
        remarks.append(f"{DESCRIPTION} is not committed as it stands here; deploy takes it as committed")
    return commit.short, remarks
