"""Where a run waits: at a gate for an answer, before an environment for its turn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from shipway.core.access.roles import check_known
from shipway.core.errors import Superseded
from shipway.core.releases.gates import needs_new_approval, superseding, turn_of
from shipway.core.releases.run import Answer, Gate, Run
from shipway.pipeline.parts import Parts
from shipway.pipeline.run_records import RunRecords

LONGEST_WAIT = 60.0


class Waits:
    """The waits of all runs. A waiting run looks at the records whenever the bell rings."""

    def __init__(self, parts: Parts, records: RunRecords) -> None:
        self._parts = parts
        self._store = parts.store
        self._bell = parts.rollouts.bell
        self._records = records

    def at_gate(self, id: str, environment: str) -> Answer | None:
        """Wait for the answer at the environment's gate. None to go on; otherwise why the run ends here."""
        answer = None if self._is_open(id, environment) else self._answer(id)
        if answer is None or answer.kind != "approved":
            return answer
        with self._store.transaction():
            approved = (*self._records.get(id).approved, environment)
            run = self._records.change(
                id, status="running", stage=f"approved for {environment}", gate=None, approved=approved
            )
            text = f"approved for {environment} by {answer.who}: {answer.why or 'no reason given'}"
            self._records.tell(run, "done", text, environment)
        return None

    def _is_open(self, id: str, environment: str) -> bool:
        """Whether no approval is needed, or it was given; otherwise the run waits at the gate from here on."""
        run, app = self._records.get(id), self._parts.operator_app()
        check_known(app, environment)
        approval = app.environments[environment].approval
        if run.gate is not None:
            return False
        if approval is None or environment in run.approved or self._records.rollout(id, environment) is not None:
            return True
        now = self._parts.clock()
        gate = Gate(environment, approval.roles, now, now + approval.expires)
        with self._store.transaction():
            run = self._records.change(id, status="waiting", stage=f"approval for {environment}", gate=gate)
            text = f"waits for approval to {environment} by {' or '.join(approval.roles)}"
            self._records.tell(run, "gate", text, environment)
        self._bell.ring()
        return False

    def _answer(self, id: str) -> Answer:
        """Wait for the answer at the gate; the first one counts."""
        while True:
            heard = self._bell.heard
            with self._store.transaction():
                run, now = self._records.get(id), self._parts.clock()
                assert run.gate is not None
                answer = run.gate.answer or self._answer_of_itself(run, run.gate, now)
                if answer is not None:
                    self._records.change(id, gate=replace(run.gate, answer=answer))
                    return answer
            self._bell.wait(heard, min(run.gate.expires - now, LONGEST_WAIT))

    def _answer_of_itself(self, run: Run, gate: Gate, now: float) -> Answer | None:
        """Why no answer is needed any more."""
        newer = superseding(run, gate.environment, self._records.all())
        if newer is not None:
            return Answer("superseded", f"run {newer.id}", "a newer commit goes to the same environment")
        if now >= gate.expires:
            return Answer("expired", "nobody", f"no answer within {(gate.expires - gate.since) / 3600:g} h")
        return None

    def before_turn(self, id: str, environment: str) -> str | None:
        """What the run waits for before it enters; None in its turn. Raises Superseded when that never comes."""
        run, runs, rollouts = self._records.get(id), self._records.all(), self._parts.rollouts
        under_way = rollouts.under_way(environment)
        turn = turn_of(run, environment, runs, under_way.run if under_way is not None else None)
        if turn.kind == "superseded":
            assert turn.other is not None
            raise superseded(run, environment, turn.other)
        if turn.other is not None:
            at_work = under_way is not None and under_way.run == turn.other.id
            return f"run {turn.other.id} " + ("is at work there" if at_work else "goes first")
        if self._records.rollout(id, environment) is None:
            check_newer(self._parts, run, environment, runs)
        return None


def superseded(run: Run, environment: str, newer: Run) -> Superseded:
    """The error of a run that a newer one overtook in an environment."""
    return Superseded(
        f"run {newer.id} has brought a newer commit to {environment}",
        fix=f"shipway deploy --env {run.path[-1]} {run.commit[:7]} brings this one all the same",
    )


def check_newer(parts: Parts, run: Run, environment: str, runs: Iterable[Run]) -> None:
    """Raise Superseded for a run that would take an environment back to an older commit without an approval."""
    serves = parts.serving(environment)
    if serves is None or serves.commit == run.commit or not needs_new_approval(run, environment, runs):
        return
    if parts.source.is_in(run.commit, serves.commit):
        raise Superseded(
            f"{environment} serves {serves.commit[:7]} by now, which is newer than {run.commit[:7]}",
            fix=f"shipway deploy --env {run.path[-1]} {run.commit[:7]} brings the older one all the same",
        )
