"""What a person can ask about a model's traffic: make a baseline, hold a window to it, see how the last one was."""

from __future__ import annotations

import logging
from dataclasses import replace

from shipway.core.access.roles import check_known, check_role
from shipway.core.description.app import Monitor
from shipway.core.desk import MonitorDesk, Tell, TrainingDesk
from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.core.events import AuditEntry, Event
from shipway.core.monitoring.retraining import Training, refusal
from shipway.core.monitoring.watch import Verdict, alarm_of, judge
from shipway.core.ports.learning import Kept
from shipway.core.releases.release import Release
from shipway.core.views.learning import MonitorView
from shipway.pipeline.parts import Parts

_log = logging.getLogger(__name__)
DAY = 86400.0
WATCH = "monitor"
"""Who looks where nobody has asked."""
_TRAININGS = 20


class PipelineMonitor(MonitorDesk):
    """The verbs over this pipeline."""

    def __init__(self, parts: Parts, training: TrainingDesk) -> None:
        self._parts = parts
        self._training = training
        self._tried: dict[str, float] = {}

    def baseline(
        self,
        environment: str,
        table: str | None,
        since: float | None,
        until: float | None,
        who: str,
        tell: Tell,
        time: str | None = None,
    ) -> MonitorView:
        release = self._serving(environment)
        check_role(self._parts.operator_app(), environment, who, "make a baseline for")
        window = None if since is None and until is None else self._window(since, until)
        rules = self._rules()
        kept = self._parts.monitoring.baseline(
            environment,
            release,
            table,
            window,
            tell,
            time,
            rules.triggers,
            rules.false_alarms / 100,
            rules.label_sources,
        )
        view = self._view(environment, kept, window)
        self._tried.pop(environment, None)
        detail = {"version": kept.version, "rows": kept.seen.rows} | ({"table": table} if table else {})
        self._parts.store.add_audit(AuditEntry(view.at, who, "make baseline", environment, "", detail))
        return view

    def look(
        self,
        environment: str,
        since: float | None,
        until: float | None,
        who: str,
        tell: Tell,
        length: str | None = None,
    ) -> MonitorView:
        release = self._serving(environment)
        window = self._window(since, until)
        rules = self._rules()
        kept = self._parts.monitoring.look(environment, release, window, rules.label_sources, tell, length)
        verdict = judge(kept.seen, rules.triggers, rules.min_rows)
        view = self._judged(replace(self._view(environment, kept, window), verdict=verdict), verdict, rules, who)
        if verdict.state == "drift" and rules.retrain:
            view = self._retrained(view, verdict.reason, rules, who)
        self._parts.monitoring.keep(view)
        return view

    def _judged(self, view: MonitorView, verdict: Verdict, rules: Monitor, who: str) -> MonitorView:
        """The view with its alarm, which is written down: a hold's once, for as long as it lasts."""
        before = self._parts.monitoring.newest(view.environment) if verdict.state == "hold" else None
        held_since = before.held_since if before is not None else None
        if verdict.state == "hold" and held_since is None:
            held_since = view.at
        held_for = 0.0 if held_since is None else view.at - held_since
        alarm = alarm_of(verdict, held_for, rules.max_hold)
        if alarm and not (before is not None and before.alarm):
            detail = {"version": view.version}
            self._parts.store.add_audit(AuditEntry(view.at, who, verdict.state, view.environment, alarm, detail))
            self._parts.store.add_event(Event("note", f"alarm: {alarm}", view.at, None, view.environment))
        return replace(view, held_since=held_since, alarm=alarm)

    def tend(self) -> None:
        """Look at each environment that is to be looked at by itself, if its time has come."""
        rules = self._rules()
        for environment in rules.environments:
            newest, now = self._parts.monitoring.newest(environment), self._parts.clock()
            last = max(newest.at if newest is not None else 0.0, self._tried.get(environment, 0.0))
            if now - last < rules.every:
                continue
            # One that is refused is not tried again at once: it may have read a day's traffic before it was.
            self._tried[environment] = now
            try:
                self.look(environment, now - rules.every, now, WATCH, lambda _: None)
            except Refused as refusal:
                _log.warning("%s was not looked at: %s; next: %s", environment, refusal.what, refusal.fix)

    def _retrained(self, view: MonitorView, reason: str, rules: Monitor, who: str) -> MonitorView:
        """The view with the training that its drift started, or with the reason why it started none."""
        trainings = [Training(one.run.id, one.run.created, one.run.live) for one in self._training.list(_TRAININGS)]
        if why_not := refusal(trainings, self._parts.clock(), rules.cooldown):
            return replace(view, no_training=why_not)
        try:
            run = self._training.start(None, None, None, who, f"drift in {view.environment}: {reason}")
        except ShipwayError as fault:
            return replace(view, no_training=fault.what)
        return replace(view, training=run.id)

    def show(self, environment: str) -> MonitorView:
        check_known(self._parts.operator_app(), environment)
        view = self._parts.monitoring.newest(environment)
        if view is None:
            raise Refused(f"{environment} was never looked at", fix=f"shipway monitor run {environment}")
        return view

    def _serving(self, environment: str) -> Release:
        app = self._parts.operator_app()
        check_known(app, environment)
        if app.model is None:
            raise UsageError(f"{app.app} has no model", fix="describe it under `model:` in shipway.yaml")
        stable = self._parts.rollouts.record_of(environment).stable
        release = self._parts.store.get(Release, stable) if stable else None
        if release is None or release.model_version is None:
            raise Refused(f"no model serves in {environment}", fix="shipway deploy", state="nothing was looked at")
        return release

    def _rules(self) -> Monitor:
        model = self._parts.operator_app().model
        return model.monitor if model is not None else Monitor()

    def _window(self, since: float | None, until: float | None) -> tuple[float, float]:
        end = self._parts.clock() if until is None else until
        begin = end - DAY if since is None else since
        if begin >= end:
            raise UsageError("the window ends before it begins", fix="give a --since that lies before --until")
        return begin, end

    def _view(self, environment: str, kept: Kept, window: tuple[float, float] | None) -> MonitorView:
        since, until = window or (None, None)
        return MonitorView(environment, kept.version, since, until, self._parts.clock(), kept.seen, None, kept.folder)
