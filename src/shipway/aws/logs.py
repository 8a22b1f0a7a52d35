"""What tasks and builds wrote: whose log groups and streams they are, and the lines of them that somebody asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shipway.aws.builds import Build
from shipway.aws.log_lines import Line, LogLines
from shipway.aws.names import BUILD_STAGE, RELEASE, Names
from shipway.aws.pipelines import Action
from shipway.core.description.app import App
from shipway.core.errors import UsageError
from shipway.core.logs.asked import Asked
from shipway.core.views.releases import TaskLine

_CHECKED = frozenset({"/health", "/healthz", "/ready", "/readyz", "/livez", "/live", "/ping", "/up"})


class Logs:
    """The logs of one app. A task's stream is called RELEASE/SERVICE/TASK."""

    def __init__(self, app: App, names: Names, lines: LogLines) -> None:
        self._app = app
        self._names = names
        self._lines = lines

    def tasks(self, asked: Asked, owner: Mapping[str, str], releases: Sequence[str]) -> list[TaskLine]:
        """The lines of tasks, oldest first, narrowed as `Desk.logs` says; `releases` are those that there are."""
        self._check(owner, releases)
        groups = {
            self._names.log_group(environment, name, service.log_group): (environment, name)
            for environment in self._app.environments
            for name, service in self._app.services.items()
            if owner.get("environment", environment) == environment and owner.get("service", name) == name
        }
        prefix = f"{owner['release']}/" if "release" in owner else ""
        services = self._app.services.values()
        checks = _CHECKED | {path for service in services for path in (service.health, service.ready)}
        found = self._lines.newest(tuple(groups), asked, prefix=prefix, checks=checks)
        told = (_task_line(line, *groups[line.group]) for line in found)
        return [line for line in told if owner.get("task", line.task) == line.task]

    def build(self, asked: Asked, actions: Sequence[Action]) -> list[str]:
        """What the builds of a run wrote, one after the other."""
        found: list[str] = []
        for action in actions:
            if action.stage == BUILD_STAGE and action.build:
                release = action.name == RELEASE
                group = (
                    self._names.program_log_group(self._names.release_project)
                    if release
                    else self._names.build_log_group(action.name)
                )
                found += self._of(group, action.build.rpartition(":")[2], asked)
        return found[-asked.lines :] if asked.lines else []

    def rollout(self, asked: Asked, build: Build) -> list[str]:
        """What a rollout's program wrote."""
        return self._of(self._names.program_log_group(build.project), build.stream, asked)

    def _of(self, group: str, stream: str, asked: Asked) -> list[str]:
        return [line.text for line in self._lines.newest((group,), asked, streams=(stream,))]

    def _check(self, owner: Mapping[str, str], releases: Sequence[str]) -> None:
        """Raise UsageError for a name that nothing here has: no line is not the same as no such place."""
        known = {
            "environment": list(self._app.environments),
            "service": list(self._app.services),
            "release": list(releases),
        }
        for key, name in owner.items():
            if key in known and name not in known[key]:
                names = ", ".join(known[key][:10]) or "none yet"
                raise UsageError(f"no {key} {name!r}; there are: {names}", fix="shipway logs --help")


def _task_line(line: Line, environment: str, service: str) -> TaskLine:
    release, _, rest = line.stream.partition("/")
    return TaskLine(environment, service, rest.rpartition("/")[2] or line.stream, release if rest else "", line.text)
