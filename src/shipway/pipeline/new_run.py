"""A new run's record, with its line in the audit log."""

from __future__ import annotations

from dataclasses import replace

from shipway.core.events import AuditEntry
from shipway.core.releases.run import Run, RunKind
from shipway.pipeline.parts import Parts


def new_run(parts: Parts, kind: RunKind, path: tuple[str, ...], who: str, **fields: object) -> Run:
    """Record a run that the engine will start; `fields` are those of `Run`."""
    with parts.store.transaction():
        run = Run(
            id=str(parts.store.next_number("run")), kind=kind, path=path, by=who, created=parts.clock(),
            commit="", subject="", branch=None,
        )  # fmt: skip
        run = replace(run, **fields)  # type: ignore[arg-type]
        parts.store.put(run.id, run)
        detail = {"run": run.id, "commit": run.commit, "path": list(path), "model": run.model_version}
        parts.store.add_audit(AuditEntry(run.created, who, kind, path[-1] if path else None, run.why, detail))
    return run
