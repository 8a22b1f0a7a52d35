"""What nobody has to say yes to, because shipway.yaml says so: a version that a training's gate promotes."""

from __future__ import annotations

from dataclasses import replace

from shipway.core.description.training import Training
from shipway.core.errors import Refused
from shipway.core.events import PLATFORM, AuditEntry
from shipway.core.releases.run import Run
from shipway.core.training.champion import Decision
from shipway.core.training.training_run import TrainingRun
from shipway.pipeline.parts import Parts
from shipway.pipeline.promotions import record_promotion
from shipway.pipeline.run_records import RunRecords


def approve_if_automatic(parts: Parts, records: RunRecords, run: Run, settings: Training, decision: Decision) -> None:
    """Approve what the training registered, and record its promotion where `model.on_approval` says so.

    `settings` are the trained commit's. The operator's file must say so too: else any commit could approve itself. A
    version that was there already keeps what was decided on it. The daemon takes the promotion up within a minute, as
    every run that nobody carries out.
    """
    model = parts.operator_app().model
    record = parts.store.get(TrainingRun, run.id)
    if model is None or model.training is None or record is None or record.version is None or record.promotion:
        return
    if not settings.approval == model.training.approval == "automatic":
        return
    version = parts.models.get(record.version)
    why = f"training {run.id}, approval: automatic: the gate says {decision.kind}: {'; '.join(decision.reasons)}"
    if version.approval_status == "pending":
        version = parts.models.decide(version.version, "approved", PLATFORM, why, parts.clock())
        detail = {"version": version.version, "from": "pending", "training": run.id}
        parts.store.add_audit(AuditEntry(parts.clock(), PLATFORM, "approve model", None, why, detail))
        records.tell(run, "done", f"approved {version.version}, as shipway.yaml says `approval: automatic`")
    running = [name for name in model.on_approval if parts.rollouts.record_of(name).stable is not None]
    if not running or (version.approval_status, version.approval_by, version.approval_why) != (
        "approved", PLATFORM, why,
    ):  # fmt: skip
        return
    try:
        with parts.store.transaction():
            promotion = record_promotion(parts, version.version, running, PLATFORM, f"on approval: {why}")
            parts.store.put(run.id, replace(record, promotion=promotion.id))
    except Refused as refusal:
        records.tell(run, "note", f"not promoted: {refusal.what}.  Next: {refusal.fix}")
        return
    records.tell(run, "note", f"run {promotion.id} promotes it in {', '.join(running)}")
