"""CodeBuild: what builds and rollouts of a pipeline said at their end, and rollouts started without a pipeline."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shipway.aws.calls import AwsError, Calls
from shipway.core.errors import Refused

_CLIENT = "codebuild"
_MOST = 100  # of one call
_FROM_FOLDER = re.compile(r"pip install[^\n]*[ '\"]\.(?=[\[ '\"\n]|$)")
_EXIT = re.compile(r"exit status (\d+)")


@dataclass(frozen=True, slots=True)
class Build:
    """A build; times in Unix time, `ended` None while it runs. `failed_in` is the phase that failed, in lower case.

    `exit_code` is that of the command that failed, None where no command did. `by` is who started it, empty for a
    pipeline.
    """

    id: str
    project: str
    running: bool
    succeeded: bool
    started: float
    ended: float | None
    by: str = ""
    failed_in: str = ""
    exit_code: int | None = None
    message: str = ""
    variables: Mapping[str, str] | None = None

    @property
    def stream(self) -> str:
        """Its log stream."""
        return self.id.rpartition(":")[2]


class Builds:
    """The CodeBuild projects of an app. Every call raises ShipwayError."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def look(self, ids: Iterable[str]) -> dict[str, Build]:
        """The builds by id; AWS forgets one after a year."""
        wanted = list(dict.fromkeys(ids))
        found: dict[str, Build] = {}
        for first in range(0, len(wanted), _MOST):
            answer = self._calls.call(_CLIENT, "batch_get_builds", ids=wanted[first : first + _MOST])
            found |= {build["id"]: _build(build) for build in answer.get("builds", ())}
        return found

    def newest(self, project: str, limit: int) -> list[Build]:
        """The newest builds of a project first; none of one that is not there."""
        try:
            answer = self._calls.call(_CLIENT, "list_builds_for_project", projectName=project, sortOrder="DESCENDING")
        except AwsError as error:
            if error.code != "ResourceNotFoundException":
                raise
            return []
        ids: Sequence[str] = answer.get("ids", ())[: min(limit, _MOST)]
        builds = self.look(ids) if ids else {}
        return [builds[id] for id in ids if id in builds]

    def needs_source(self, project: str) -> bool:
        """Whether the project installs Shipway from the folder of a commit, so that it cannot run without a pipeline."""
        answer = self._calls.call(_CLIENT, "batch_get_projects", names=[project])
        specs = [found.get("source", {}).get("buildspec", "") for found in answer.get("projects", ())]
        return any(_FROM_FOLDER.search(spec) for spec in specs)

    def start(self, project: str, variables: Mapping[str, str], token: str) -> Build:
        """Begin a build without a source: the project's own commands with these variables. `token` makes it happen once."""
        given = [{"name": name, "value": value, "type": "PLAINTEXT"} for name, value in variables.items()]
        try:
            answer = self._calls.call(
                _CLIENT, "start_build",
                projectName=project, environmentVariablesOverride=given, idempotencyToken=token,
                sourceTypeOverride="NO_SOURCE", artifactsOverride={"type": "NO_ARTIFACTS"},
            )  # fmt: skip
        except AwsError as error:
            if error.code != "ResourceNotFoundException":
                raise
            raise Refused(
                f"AWS has no CodeBuild project {project}: infra/app is not applied",
                fix="apply infra/app as infra/README.md tells, then: shipway doctor",
                state="nothing changed",
            ) from error
        return _build(answer["build"])


def _build(build: Mapping[str, Any]) -> Build:
    failed = [
        phase for phase in build.get("phases", ()) if phase.get("phaseStatus") not in (None, "SUCCEEDED", "IN_PROGRESS")
    ]
    said = " ".join(
        context["message"] for phase in failed[:1] for context in phase.get("contexts", ()) if context.get("message")
    )
    code = _EXIT.search(said)
    initiator = build.get("initiator", "")
    return Build(
        id=build["id"],
        project=build["projectName"],
        running=build["buildStatus"] == "IN_PROGRESS",
        succeeded=build["buildStatus"] == "SUCCEEDED",
        started=build["startTime"].timestamp(),
        ended=build["endTime"].timestamp() if "endTime" in build else None,
        by="" if initiator.startswith("codepipeline/") else initiator.rpartition("/")[2],
        failed_in=failed[0]["phaseType"].lower() if failed else "",
        exit_code=int(code[1]) if code else None,
        message=said,
        variables={it["name"]: it["value"] for it in build.get("environment", {}).get("environmentVariables", ())},
    )
