"""Durable execution by DBOS: a killed control plane resumes every run at the step where it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from dbos import DBOS, DBOSConfig, SetWorkflowID, StepOptions

from shipway.core.records import Answer
from shipway.pipeline.runs import Runs

_RECOVERIES = 10_000


class Engine:
    """Starts and resumes runs. One for each process: DBOS keeps its registry globally."""

    def __init__(self, runs: Runs, database_url: str) -> None:
        # A fixed version: runs started by an older Shipway are resumed by a newer one.
        config = DBOSConfig(
            name="shipway",
            system_database_url=database_url,
            application_version="1",
            executor_id="local",
            log_level="WARNING",
        )
        DBOS(config=config)

        @DBOS.workflow(name="run", max_recovery_attempts=_RECOVERIES)
        def carry_out(id: str) -> None:
            runs.carry_out(id, self)

        self._carry_out = carry_out

    def launch(self) -> None:
        """Begin, resuming what was under way."""
        DBOS.launch()

    def start(self, id: str) -> None:
        """Carry a run out in the background. One that the engine knows already is left to it."""
        if DBOS.get_workflow_status(f"run-{id}") is not None:
            return
        with SetWorkflowID(f"run-{id}"):
            DBOS.start_workflow(self._carry_out, id)

    def is_over(self, id: str) -> bool:
        """Whether the engine is done with a run, in whatever way."""
        status = DBOS.get_workflow_status(f"run-{id}")
        return status is not None and status.status not in ("PENDING", "ENQUEUED", "DELAYED")

    def answer(self, id: str, environment: str, answer: Answer) -> None:
        """Tell a run that waits at a gate what was decided."""
        DBOS.send(f"run-{id}", asdict(answer), topic=f"gate:{environment}")

    def step(self, name: str, function: Callable[..., Any], *args: Any) -> Any:
        """See `Durably`."""
        return DBOS.run_step(StepOptions(name=name), function, *args)

    def receive(self, topic: str, timeout: float) -> Any | None:
        """See `Durably`."""
        return DBOS.recv(topic, timeout_seconds=timeout)
