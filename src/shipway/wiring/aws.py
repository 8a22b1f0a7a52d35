"""The AWS target: its desk lies in the process of the command line, as nothing of Shipway's runs in between."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shipway.core.description import DESCRIPTION
from shipway.core.errors import Refused
from shipway.wiring import Wiring

if TYPE_CHECKING:
    from shipway.aws.calls import Calls
    from shipway.aws.names import Names
    from shipway.aws.read_back import Ask
    from shipway.core.checks import Check, Repair
    from shipway.core.description.app import App
    from shipway.core.desk import ControlPlane, Desk
    from shipway.core.infrastructure import Infrastructure
    from shipway.core.ports.building import Source
    from shipway.core.ports.models import Models


def wire(root: Path) -> Wiring:
    """The app in `root` on AWS."""
    return AwsWiring(root)


class AwsWiring(Wiring):
    """What the command line needs of it.

    `client` makes the client of a service by its name, by default boto3's; `sleep` is how it waits for AWS, by `clock`.
    """

    # What is heavy is imported where it is needed.

    def __init__(
        self,
        root: Path,
        client: Callable[[str], Any] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root = root
        self._client = client
        self._sleep = sleep
        self._clock = clock

    def daemon(self) -> None:
        return None

    def control_plane(self) -> ControlPlane:
        raise Refused("no daemon: AWS runs what one would", fix="shipway status")

    def desk(self) -> tuple[Desk, str]:
        from shipway.aws.audit_trail import AuditTrail
        from shipway.aws.builds import Builds
        from shipway.aws.clients import Clients
        from shipway.aws.desk import AwsDesk, Parts
        from shipway.aws.log_lines import LogLines
        from shipway.aws.logs import Logs
        from shipway.aws.model_desk import AwsModelDesk
        from shipway.aws.model_moves import ModelParts
        from shipway.aws.model_trials import AwsExperiments
        from shipway.aws.names import names_of
        from shipway.aws.not_yet import NotYet
        from shipway.aws.parameters import Parameters
        from shipway.aws.pipelines import Pipelines, person
        from shipway.aws.release_store import ReleaseStore
        from shipway.aws.runs import Runs
        from shipway.aws.secret_desk import AwsSecretDesk
        from shipway.aws.secrets import SecretsManager
        from shipway.aws.target_groups import TargetGroups
        from shipway.aws.views import Views
        from shipway.description.reader import parse
        from shipway.wiring.aws_bundles import AppBundles

        app = self._described()
        names = names_of(app)
        calls = self._calls(names.region)
        # Before anything else: credentials of another account must not touch what has the same names there.
        who = person(calls.check_account(names.account))
        parameters = Parameters(calls)
        clients = Clients(app, names, parameters, TargetGroups(calls))
        source = self._source()
        store, pipelines, builds = ReleaseStore(calls, names), Pipelines(calls), Builds(calls)
        models = ModelParts(app, names, calls, self._registry(calls, names), store, self._ask(), steady=self._clock)
        experiments = AwsExperiments(models)
        bundles = AppBundles(app, names, calls, store, source)
        parts = Parts(
            app=app,
            names=names,
            calls=calls,
            source=source,
            read_app=parse,
            store=store,
            pipelines=pipelines,
            builds=builds,
            runs=Runs(app, names, pipelines, builds, store, calls.sleep, self._clock),
            views=Views(app, names, calls, store, parameters, clients, experiments.show, bundles.shown),
            logs=Logs(app, names, LogLines(calls, self._clock)),
            trail=AuditTrail(calls, names, tuple(app.environments)),
        )
        desk = AwsDesk(
            parts,
            models=AwsModelDesk(models, source),
            experiments=experiments,
            monitor=NotYet("monitoring"),
            features=NotYet("the feature store"),
            training=NotYet("training"),
            reports=NotYet("reports"),
            secrets=AwsSecretDesk(app, SecretsManager(calls, names)),
            apps=bundles.desk(),
        )
        return desk, who

    def checks(self, daemon: Iterable[Check], own_ports: Callable[[], Collection[int]]) -> Iterator[Check]:  # noqa: ARG002
        from shipway.aws.doctor import examine

        yield from examine(self._described, self._calls)
        yield from daemon

    def repairs(self) -> Sequence[Repair]:
        return ()

    def program_variables(self, folder: Path, lock: str, tell: Callable[[str], None]) -> Mapping[str, str]:  # noqa: ARG002
        raise Refused("programs of the app run on AWS, not here", fix="shipway --target local replay --help")

    def infrastructure(self, tell: Callable[[str], None], *, colour: bool = False) -> Infrastructure:
        from shipway.wiring.aws_infra import infrastructure

        return infrastructure(self._root, tell, colour=colour)

    def _source(self) -> Source:
        """The repository that commits are named in."""
        from shipway.local.source.git_source import GitSource

        return GitSource(self._root)

    def _registry(self, calls: Calls, names: Names) -> Models:
        """Model versions in S3. What publishing has to run is run on this machine."""
        from shipway.aws.version_store import S3VersionStore
        from shipway.registry.packer import Packer
        from shipway.registry.registry import ModelRegistry
        from shipway.wiring.programs import programs

        return ModelRegistry(S3VersionStore(calls, names.models_bucket), Packer(self._python, programs()), self._root)

    @staticmethod
    def _python(lock: Path, tell: Callable[[str], None]) -> Path:
        """The interpreter of an environment that has what a lock file names."""
        from shipway.local.builds.python_environment import PythonEnvironments

        # Not in the app's folder: there is no daemon that would keep git from seeing it.
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shipway"
        return PythonEnvironments(cache / "environments").python(lock, "model packaging", tell)

    def _ask(self) -> Ask:
        """How an environment's public name is asked which model answers."""
        from shipway.aws.read_back import ask_public

        return ask_public

    def _calls(self, region: str) -> Calls:
        from shipway.aws.calls import Calls

        return Calls(region, client=self._client, sleep=self._sleep)

    def _described(self) -> App:
        """shipway.yaml of the working copy. Raises UsageError."""
        from shipway.description.reader import load

        return load(self._root / DESCRIPTION)
