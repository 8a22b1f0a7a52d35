"""What a run has, within MLflow's limits: names of some characters only, texts of some length."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

MAX_NAME, MAX_PARAMETER, MAX_TAG = 250, 6000, 8000
PREFIX = "shipway."
KEY, EXPORTED = f"{PREFIX}key", f"{PREFIX}exported"
_FORBIDDEN = re.compile(r"[^\w.\- :/]")


@dataclass(frozen=True, slots=True)
class Run:
    """A training that has ended. `key` names it for ever; `begun` and `ended` are Unix time.

    `files` and `texts` are artifacts by path: files on this machine, and contents.
    """

    key: str
    experiment: str
    name: str
    status: str
    begun: float
    ended: float
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    files: Mapping[str, str]
    texts: Mapping[str, str]

    @property
    def digest(self) -> str:
        """SHA-256 of all of it: what was exported with this digest is there, whole."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @property
    def own_parameters(self) -> dict[str, str]:
        """Parameters as MLflow takes them."""
        return {named(name): value[:MAX_PARAMETER] for name, value in self.parameters.items()}

    @property
    def own_metrics(self) -> dict[str, float]:
        """Metrics as MLflow takes them."""
        return {named(name): value for name, value in self.metrics.items()}

    @property
    def own_tags(self) -> dict[str, str]:
        """Tags as MLflow takes them; the commit, the person and the verdict also where its pages show them."""
        tags = {f"{PREFIX}{named(name)}": value[:MAX_TAG] for name, value in self.tags.items()}
        known = {
            "mlflow.source.git.commit": self.tags.get("commit"),
            "mlflow.user": self.tags.get("asked_by"),
            "mlflow.note.content": self.tags.get("gate.reasons"),
        }
        return tags | {name: value[:MAX_TAG] for name, value in known.items() if value}


def named(name: str) -> str:
    """A name as MLflow takes it: other characters become `_`; a long one keeps its end apart by a digest.

    >>> named("bias.DPPL of carrier=MQ,EV")
    'bias.DPPL of carrier_MQ_EV'
    """
    parts = [part for part in _FORBIDDEN.sub("_", name).split("/") if part.strip(".")]
    kept = "/".join(parts) or "_"
    if len(kept) <= MAX_NAME:
        return kept
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{kept[: MAX_NAME - 9]}_{digest}"
