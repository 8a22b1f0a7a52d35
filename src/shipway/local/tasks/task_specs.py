"""How a release's service becomes a task to start: its command, its folder, its small clean environment."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from shipway.core.description.placeholders import filled
from shipway.core.errors import Refused
from shipway.core.logs.headline import with_log
from shipway.core.observations.observation import Side
from shipway.core.ports.telling import Tell
from shipway.core.releases.release import Release
from shipway.core.tasks import TaskSpec
from shipway.local.apps.bundles import parameter as bundles_parameter
from shipway.local.builds.address import address_of
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.local.features.online_store import online_file
from shipway.local.model_tasks.parameters import FileParameters
from shipway.local.places import Places
from shipway.local.router.router import Router
from shipway.local.secrets.redaction import redacted
from shipway.local.secrets.values import Values, no_values
from shipway.local.tasks.bounded_run import run_bounded

BEFORE_TRAFFIC_TIMEOUT = 300.0


def owner_of(task: str, environment: str) -> dict[str, str]:
    """Whose a task of the environment is by its id: the other half of what `TaskSpecs.make` writes."""
    _, release, rest = [*task.removeprefix(f"{environment}-").split("-", 2), "", ""][:3]
    return {"environment": environment, "service": rest.rpartition("-")[0], "task": task, "release": release}


class TaskSpecs:
    """Makes task specs for one app on this machine."""

    def __init__(
        self,
        places: Places,
        environments: PythonEnvironments,
        router: Router,
        parameters: FileParameters,
        secrets: Values = no_values,
    ) -> None:
        self._places = places
        self._environments = environments
        self._router = router
        self._parameters = parameters
        self._secrets = secrets

    def parameter(self, environment: str, side: Side) -> str:
        """The name of the parameter that holds a side's model version."""
        return f"/{environment}/{side}/model-version"

    def make(self, environment: str, side: Side, release: Release, service: str, number: int) -> TaskSpec:
        """The spec of one task; the supervisor fills `{port}` in."""
        described = release.app.services[service]
        artifact = release.artifacts[service]
        id = f"{environment}-{side}-{release.id}-{service}-{number}"
        variables = self._variables(environment, side, release, service)
        return TaskSpec(
            id=id,
            environment=environment,
            side=side,
            service=service,
            release=release.id,
            artifact=artifact,
            argv=tuple(shlex.split(self._filled(described.command, environment, release, service))),
            env=variables | {"SHIPWAY_TASK": id},
            port=0,
            ready_path=described.ready,
            health_path=described.health,
            start_timeout=described.start_timeout,
            drain_timeout=described.drain_timeout,
            host=described.check_host,
            secrets=described.secrets,
        )

    def capture(self, environment: str, release: Release, service: str) -> tuple[str, str] | None:
        """Where the service's tasks capture requests and answers: address and endpoint; None if nowhere."""
        described = release.app.services[service]
        own = described.env | release.app.environments[environment].env
        address = self._filled(own.get("CAPTURE", ""), environment, release, service)
        endpoint = own.get("ENDPOINT_NAME") or (release.app.model.name if release.app.model else "")
        if not address.startswith("file:") or not endpoint:
            return None
        return address, self._filled(endpoint, environment, release, service)

    def run_before_traffic(self, environment: str, side: Side, release: Release, service: str, tell: Tell) -> None:
        """Run the service's `before_traffic` once. Raises Refused with its last lines when it fails."""
        described = release.app.services[service]
        command = described.before_traffic or ""
        tell(f"{service}: {command}")
        secrets = self._secrets(environment, described.secrets)
        try:
            code, said = run_bounded(
                shlex.split(self._filled(command, environment, release, service)),
                Path(address_of(release.artifacts[service]).tree),
                {**self._variables(environment, side, release, service), **secrets},
                BEFORE_TRAFFIC_TIMEOUT,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Refused(f"{service}: before_traffic could not run: {error}", fix="edit it in shipway.yaml") from error
        if code != 0:
            last = redacted(said, secrets.values()).strip().splitlines()[-15:]
            raise Refused(
                with_log(f"{service}: before_traffic failed with exit code {code}", last),
                fix=f"correct `{command}` and deploy again",
            )

    def _variables(self, environment: str, side: Side, release: Release, service: str) -> dict[str, str]:
        described = release.app.services[service]
        address = address_of(release.artifacts[service])
        own = described.env | release.app.environments[environment].env
        variables = self._environments.variables(address.environment, address.tree)
        variables |= {
            "HOME": str(self._data(environment, service)),
            "SHIPWAY_ENVIRONMENT": environment,
            "SHIPWAY_RELEASE": release.id,
            "SHIPWAY_SERVICE": service,
        }
        if described.model:
            variables["MODEL_BUCKET"] = self._bucket(release)
            variables["MODEL_VERSION_PARAMETER"] = self._parameters.uri(self.parameter(environment, side))
        if described.baked is not None:
            variables["MODEL_BAKED"] = str(Path(address.tree) / described.baked)
        if described.feature_store is not None:
            variables[described.feature_store] = online_file(self._places.state, environment).as_uri()
        for app in release.app.apps.values():
            if app.updates == service:
                variables["APP_BUNDLES_BUCKET"] = f"file://{self._places.state / app.bucket}"
                variables["APP_BUNDLE_PARAMETER"] = self._parameters.uri(bundles_parameter(environment))
        for used, variable in described.uses.items():
            variables[variable] = f"http://127.0.0.1:{self._router.internal_port(environment, side, used)}"
        return variables | {name: self._filled(value, environment, release, service) for name, value in own.items()}

    def _filled(self, text: str, environment: str, release: Release, service: str) -> str:
        values = {
            "environment": environment,
            "host": "127.0.0.1",
            "data": str(self._data(environment, service)),
            "bucket": self._bucket(release),
            "buckets": str(self._places.state),
        }
        return filled(text, values)

    def _data(self, environment: str, service: str) -> Path:
        folder = self._places.state / "data" / environment / service
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _bucket(self, release: Release) -> str:
        return str(self._places.state / release.app.model.bucket) if release.app.model else ""
