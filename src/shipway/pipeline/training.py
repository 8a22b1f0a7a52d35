"""A run of the kind `train`, told step by step: data, prepare, train, evaluate, bias, gate, package, register.

A step's result is named by all that went in, so a run that is carried out again finds what is done.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from threading import Lock
from typing import Any

from shipway.core.description.app import App, Service
from shipway.core.description.training import Training
from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.core.releases.release import Artifact, Commit
from shipway.core.releases.run import Run
from shipway.core.training.champion import Decision, judge
from shipway.core.training.evidence import evidence
from shipway.core.training.reasons import reason
from shipway.core.training.steps import BIAS_OUTPUT, Orders, StepDone, StepOrder
from shipway.core.training.training_run import TrainingRun, bias_report, search_of
from shipway.core.training.windows import Window, chosen
from shipway.core.views.models import Publishing
from shipway.pipeline.automatic_approval import approve_if_automatic
from shipway.pipeline.parts import Parts
from shipway.pipeline.run_records import RunRecords

PROGRAM = "training"


class Trainings:
    """Carries trainings out."""

    def __init__(self, parts: Parts, records: RunRecords) -> None:
        self._parts = parts
        self._records = records
        self._registering = Lock()

    def carry_out(self, run: Run) -> None:
        """Do what is left of it. Raises Refused with the gate's reasons where the challenger is not registered."""
        commit = self._parts.source.resolve(run.commit)
        app = self._parts.read_app(self._parts.source.read(commit, "shipway.yaml"))
        settings = settings_of(app)
        artifact = self._build(run, commit, settings)
        there = self._parts.training.months(settings.data, settings.tables)
        window = self._window(run, settings, there)
        champion = self._champion(run, window)
        orders = Orders(settings, artifact, window)

        prepared = self._step(run, orders.prepare(there))
        trained = self._step(run, orders.train(prepared, self._search(run, orders, prepared)))
        evaluated = self._step(run, orders.evaluate(prepared, trained, champion))
        analysed = self._bias(run, orders, prepared, trained, champion) if settings.facets else None
        decision = self._gate(run, settings, evaluated, analysed)
        if decision.kind != "promote":
            raise Refused(
                f"the gate says {decision.kind}: {'; '.join(decision.reasons)}",
                fix=f"shipway train show {run.id}",
                state=f"nothing was registered; {champion or 'nothing'} stays the champion",
            )
        lineage = self._lineage(run, commit, settings, champion, decision)
        packaged = self._step(run, orders.package(prepared, trained, lineage))
        self._register(run, trained, packaged)
        approve_if_automatic(self._parts, self._records, run, settings, decision)

    def _build(self, run: Run, commit: Commit, settings: Training) -> Artifact:
        self._records.change(run.id, stage="build")
        artifact = self._parts.builder.build(commit, PROGRAM, program_of(settings), lambda line: self._note(run, line))
        self._change(run, artifact=artifact.digest)
        return artifact

    def _window(self, run: Run, settings: Training, there: Sequence[str]) -> Window:
        """Chosen once: data that arrives while it runs is the next training's."""
        record = self._record(run)
        if record.window is not None:
            return record.window
        window = chosen(there, record.begin, record.end, settings.months)
        self._change(run, window=window)
        self._note(run, f"learns from {window.begin} until {window.end}, which it is tested on")
        return window

    def _champion(self, run: Run, window: Window) -> str | None:
        """Chosen once, too: whoever is promoted meanwhile is no reason to begin anew.

        Raises Refused for one that learned from the tested month: it would know the answers.
        """
        record = self._record(run)
        if record.steps:
            return record.champion
        champion = self._parts.models.latest_name()
        self._change(run, champion=champion)
        tested = window.days[1]
        until = _learned_until(self._parts.models.metadata(champion)) if champion is not None else None
        if until is not None and until > tested:
            raise Refused(
                f"hold: the champion {champion} learned from data until {until}, so {window.end} says nothing of it",
                fix=f"shipway train --until {until[:7]}, once there is data of that month",
                state="nothing was trained",
            )
        return champion

    def _search(self, run: Run, orders: Orders, prepared: StepDone) -> Mapping[str, str]:
        """The parameters of the best trial, where trials are asked for."""
        tuning, record = orders.settings.tuning, self._record(run)
        trials = record.trials if record.trials is not None else tuning.trials if tuning is not None else 0
        if tuning is None or not trials:
            return {}
        jobs = record.jobs or tuning.jobs
        if jobs > 1:
            self._note(run, f"tune: {jobs} trials at a time, so this training cannot be repeated exactly")
        done = self._step(run, orders.tune(prepared, tuning, trials, jobs))
        found = search_of(self._parts.training.read(done, "processing/output/tuning/tuning.json"))
        self._change(run, search=found)
        self._note(run, f"tune: Brier score {found.brier:.5f}, without a search {found.first:.5f}")
        return found.parameters

    def _bias(self, run: Run, orders: Orders, prepared: StepDone, trained: StepDone, champion: str | None) -> StepDone:
        """The bias of the challenger, beside what the champion's training found, if its result is still there."""
        read, baseline = self._parts.training.read, None
        for _, step in self._earlier(run, "bias", lambda record: champion is not None and record.version == champion):
            with suppress(ShipwayError):
                read(step, f"{BIAS_OUTPUT}/analysis.json")
                baseline = step
            break
        done = self._step(run, orders.bias(prepared, trained, baseline))
        worse = None if baseline is None else read(done, f"{BIAS_OUTPUT}/constraint_violations.json")
        self._change(run, bias=bias_report(read(done, f"{BIAS_OUTPUT}/analysis.json"), worse))
        return done

    def _earlier(
        self, run: Run, step: str, wanted: Callable[[TrainingRun], bool] = lambda _: True
    ) -> Iterator[tuple[str, StepDone]]:
        """That step of earlier trainings, the newest first, with the run's number."""
        records = [one for one in self._parts.store.all(TrainingRun) if int(one.id) < int(run.id) and wanted(one)]
        for record in sorted(records, key=lambda one: -int(one.id)):
            yield from ((record.id, done) for done in record.steps if done.name == step)

    def _step(self, run: Run, order: StepOrder) -> StepDone:
        self._records.change(run.id, stage=order.name)
        done = self._parts.training.run(order, lambda line: self._note(run, f"{order.name}: {line}"))
        steps = {step.name: step for step in self._record(run).steps}
        mine, before = steps.pop(order.name, None), next(self._earlier(run, order.name), None)
        if mine is not None and mine.digest == done.digest and done.reused:
            # done by this very run, before its control plane was started again
            done = mine
        else:
            done = replace(done, why=reason(done, None, "") if before is None else reason(done, before[1], before[0]))
        self._change(run, steps=(*steps.values(), done))
        how = "its result is used again" if done.reused else "done"
        self._records.tell(run, "done", f"{order.name}: {how}, {done.digest[:6]}; {done.why}", seconds=done.seconds)
        return done

    def _gate(self, run: Run, settings: Training, evaluated: StepDone, analysed: StepDone | None) -> Decision:
        self._records.change(run.id, stage="gate")
        read = self._parts.training.read
        found = evidence(
            read(evaluated, "processing/output/evaluation/evaluation.json"),
            read(evaluated, "processing/output/latency/latency.json"),
            read(analysed, f"{BIAS_OUTPUT}/analysis.json") if analysed is not None else {},
        )
        decision = judge(settings.gate, found)
        self._change(run, found=found, decision=decision)
        self._note(run, f"gate: {decision.kind}")
        return decision

    def _lineage(
        self, run: Run, commit: Commit, settings: Training, champion: str | None, decision: Decision
    ) -> dict[str, Any]:
        lock = self._parts.source.read(commit, f"{settings.path}/{settings.lock}")
        return {
            "author": run.by,
            "commit": commit.id,
            "run": run.id,
            "parent": champion,
            "lock": f"sha256:{hashlib.sha256(lock).hexdigest()}",
            "gate": {"verdict": decision.kind, "reasons": list(decision.reasons)},
        }

    def _register(self, run: Run, trained: StepDone, packaged: StepDone) -> None:
        """Publish it, unless a version with the very same model is there: trained again, it is no other model."""
        self._records.change(run.id, stage="register")
        models = self._parts.models
        # of two trainings that made the same model, one publishes it
        with self._registering:
            same = next((model for model in models.list() if model.digest == trained.outputs["model/model.txt"]), None)
            if same is None:
                folder = self._parts.training.folder(packaged, "processing/output/package")
                same = models.publish(folder, None, run.by, Publishing(), lambda line: self._note(run, line))
        self._change(run, version=same.version)
        self._records.change(run.id, model_version=same.version)
        self._records.tell(run, "done", f"registered {same.version}, {same.approval_status}")

    def _record(self, run: Run) -> TrainingRun:
        return self._parts.store.get(TrainingRun, run.id) or TrainingRun(run.id)

    def _change(self, run: Run, **fields: Any) -> None:
        with self._parts.store.transaction():
            self._parts.store.put(run.id, replace(self._record(run), **fields))

    def _note(self, run: Run, line: str) -> None:
        self._records.tell(run, "note", line)


def settings_of(app: App) -> Training:
    """How the app's model is trained. Raises UsageError where shipway.yaml does not say."""
    if app.model is None or app.model.training is None:
        raise UsageError(f"{app.app} trains no model", fix="describe it under `model.training` in shipway.yaml")
    return app.model.training


def program_of(settings: Training) -> Service:
    """The training's program as builds take it: a service that nobody asks."""
    return Service(path=settings.path, include=settings.include, command=settings.command, lock=settings.lock)


def _learned_until(metadata: Mapping[str, Any]) -> str | None:
    """The first day that a version did not learn from, if its training says so."""
    lineage = metadata.get("lineage")
    data = lineage.get("data") if isinstance(lineage, Mapping) else None
    until = data.get("until") if isinstance(data, Mapping) else None
    return until if isinstance(until, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", until) else None
