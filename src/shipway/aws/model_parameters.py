"""Which model versions an environment's tasks are told to serve: its parameter's text, and what it was before."""

from __future__ import annotations

from dataclasses import dataclass

from shipway.aws.names import Names
from shipway.aws.parameters import Parameter, Parameters
from shipway.core.contract.wanted import Wanted, WantedError, parse
from shipway.core.errors import Refused, ShipwayError
from shipway.core.models.history import ModelHistory

NONE = "none"
"""What Terraform writes before the first promotion."""
_REMEMBERED = 100
"""As many versions as Parameter Store keeps of a parameter."""


@dataclass(frozen=True, slots=True)
class Told:
    """A version of an environment's parameter. `wanted` is None before the first promotion.

    `at` is when it was written (Unix time), `by` whom AWS saw write it.
    """

    text: str
    wanted: Wanted | None
    at: float
    by: str

    @property
    def version(self) -> str | None:
        """The version that answers all whom no candidate answers."""
        return self.wanted.version if self.wanted is not None else None


class ModelParameters:
    """The parameters `/<app>/<environment>/model-version`."""

    def __init__(self, parameters: Parameters, names: Names) -> None:
        self._parameters, self._names = parameters, names

    def read(self, environment: str) -> Told | None:
        """What the tasks are told now; None where Terraform has made no such environment.

        Raises Refused for a text that tasks cannot read either.
        """
        found = self._parameters.get(self._names.model_version(environment))
        return None if found is None else self._told(found)

    def there(self, environment: str) -> Told:
        """As `read`. Raises Refused where there is none."""
        found = self.read(environment)
        if found is None:
            raise Refused(
                f"{environment} has no parameter {self._names.model_version(environment)}",
                fix=f"apply the environment's Terraform first: shipway --target aws infra apply {environment}",
                state="nothing changed",
            )
        return found

    def write(self, environment: str, text: str) -> None:
        """Tell the tasks. Raises ShipwayError where it does not read back."""
        name = self._names.model_version(environment)
        number = self._parameters.put(name, text)
        found = self._parameters.get(name)
        # a newer one is somebody else's, who was later
        if found is None or (found.version <= number and found.value != text):
            held = "nothing" if found is None else repr(found.value)
            raise ShipwayError(f"{name} holds {held} after {text!r} was written", fix="shipway model list")

    def history(self, environment: str) -> list[Told]:
        """What the tasks were told, oldest first, as far as Parameter Store remembers; without what is unreadable."""
        found = []
        for entry in reversed(self._parameters.history(self._names.model_version(environment), _REMEMBERED)):
            try:
                found.append(self._told(entry))
            except Refused:
                continue
        return found

    def before(self, environment: str) -> str | None:
        """The version that was current before the one that is; going back forgets the one that was gone back from."""
        history = ModelHistory()
        for told in self.history(environment):
            if told.version is not None:
                history = history.with_current(told.version)
        return history.versions[-2] if len(history.versions) > 1 else None

    def _told(self, found: Parameter) -> Told:
        try:
            wanted = None if found.value.strip() == NONE else parse(found.value)
        except WantedError as error:
            raise Refused(
                f"{found.name} holds {found.value[:80]!r}: {error}",
                fix=f"aws ssm put-parameter --overwrite --name {found.name} --value VERSION",
                state="tasks go on serving what they could read last",
            ) from error
        return Told(found.value, wanted, found.at, found.by)
