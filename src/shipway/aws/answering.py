"""Which model versions an app's public answers name: a sample, through the load balancer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from shipway.aws.names import Names
from shipway.aws.parameters import Parameters
from shipway.aws.read_back import ASKED_PER_TASK, Ask
from shipway.aws.services import Services
from shipway.aws.told import read
from shipway.core.description.app import App, Probe

MOST = 60
"""Requests of one sample."""


@dataclass(frozen=True, slots=True)
class Sample:
    """How many answers named which version, others were none (5xx) or named none; `failure`: why one did not come."""

    named: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    silent: int = 0
    failure: str = ""

    def __add__(self, other: Sample) -> Sample:
        named, failed, silent = self.named + other.named, self.failed + other.failed, self.silent + other.silent
        return Sample(named, failed, silent, other.failure)

    @property
    def why_none(self) -> str:
        """Why no answer named a version."""
        if self.failed:
            return f"{self.failed} of {self.failed + self.silent} answers failed"
        return self.failure or ("no answer names a version" if self.silent else "nothing could be asked")

    def told(self, wanted: str) -> str:
        """Such as `12 of 12 answers named v1.1`."""
        others = "".join(f", {count} {version}" for version, count in sorted(self.named.items()) if version != wanted)
        return f"{self.named[wanted]} of {self.named.total()} answers named {wanted}{others}"


class Answering:
    """Asks the probes of shipway.yaml that the load balancer lets through."""

    def __init__(self, app: App, names: Names, parameters: Parameters, services: Callable[[str], Services], ask: Ask):
        """`services` makes the façade of a cluster."""
        self._app, self._names, self._parameters = app, names, parameters
        self._services, self._ask = services, ask
        self._public: dict[str, list[tuple[str, Probe]]] = {}

    def sample(self, environment: str) -> Sample:
        """Three requests for each running task of the services that serve the model; none where none runs.

        Raises ShipwayError where AWS cannot be asked what runs.
        """
        serving = list(self._app.model_services())
        found = self._services(self._names.cluster(environment)).describe(serving)
        tasks = max((service.running for service in found.values()), default=0)
        probes = self._probes(environment) if tasks else []
        named: Counter[str] = Counter()
        failed = silent = 0
        for n in range(min(ASKED_PER_TASK * tasks, MOST) if probes else 0):
            host, probe = probes[n % len(probes)]
            try:
                answer = self._ask(host, probe)
            except OSError as error:
                return Sample(named, failed, silent, f"{host} does not answer: {error}")
            if answer.model is not None:
                named[answer.model] += 1
            elif answer.status >= 500:
                failed += 1
            else:
                silent += 1
        return Sample(named, failed, silent)

    def _probes(self, environment: str) -> list[tuple[str, Probe]]:
        """The probes that predict, as far as their services are public: a body is what a model is asked by."""
        if environment not in self._public:
            self._public[environment] = [
                (read(self._parameters, self._names, environment, name).host, probe)
                for name, service in self._app.services.items()
                if service.routes
                for probe in service.probes
                if probe.body is not None
            ]
        return self._public[environment]
