"""Promotions of model versions as runs: what must hold before one is recorded, whoever asks for it."""

from __future__ import annotations

from collections.abc import Sequence

from shipway.core.errors import Refused
from shipway.core.events import PLATFORM, AuditEntry
from shipway.core.experiments.experiment import Experiment, check_promotion
from shipway.core.models.approval import check_promotable
from shipway.core.releases.release import Release
from shipway.core.releases.run import Run
from shipway.pipeline.model_fit import requests_refused_by
from shipway.pipeline.new_run import new_run
from shipway.pipeline.parts import Parts


def record_promotion(
    parts: Parts,
    version: str,
    running: Sequence[str],
    who: str,
    why: str,
    *,
    canary: bool = False,
    back: bool = False,
) -> Run:
    """Record a run that makes a version the current one of these environments. It is still to be started.

    New releases take it too, unless an environment with an approval policy is left out. Raises Refused where a rollout or
    a split that it is no part of is under way, and where it does not take every request.
    """
    busy = [name for name in running if parts.rollouts.record_of(name).rollout is not None]
    if busy:
        raise Refused(
            f"a rollout is under way in {', '.join(busy)}", fix=f"shipway status; shipway abort --env {busy[0]}"
        )
    for environment in running:
        if not back:
            check_promotion(parts.store.get(Experiment, environment), version)
        _check_fits(parts, environment, version)
    detail = {"version": version, "environments": list(running), "canary": canary}
    parts.store.add_audit(AuditEntry(parts.clock(), who, "promote model", None, why, detail))
    return new_run(
        parts, "model", tuple(running), who, subject=f"model {version}" + (" as a canary" if canary else ""),
        model_version=version, why=why, moves_latest=guarded_environments(parts) <= set(running), canary=canary,
        back=back,
    )  # fmt: skip


def record_way_back(parts: Parts, environment: str, version: str, before: str, why: str) -> Run:
    """Record a run that brings back the version before, which the platform does by itself. It is still to be started.

    New releases take it as well, if they take `version`: what proved bad where releases are approved must not come with the
    next one. An environment without an approval decides that only where no other has one. Raises Refused for a version
    that was rejected meanwhile, or does not take every request.
    """
    check_promotable(parts.models.verified(before))
    _check_fits(parts, environment, before)
    guarded = guarded_environments(parts)
    moves = (environment in guarded or not guarded) and parts.models.latest_name() == version
    return new_run(
        parts, "model", (environment,), PLATFORM, subject=f"model {before}, back", model_version=before, why=why,
        moves_latest=moves, back=True,
    )  # fmt: skip


def guarded_environments(parts: Parts) -> set[str]:
    """The environments in use that take somebody's approval."""
    return {
        name
        for name, environment in parts.operator_app().environments.items()
        if environment.approval is not None and parts.rollouts.record_of(name).stable is not None
    }


def _check_fits(parts: Parts, environment: str, version: str) -> None:
    release = parts.store.get(Release, parts.rollouts.record_of(environment).stable or "")
    if release is None:
        return
    if not release.app.model_services():
        raise Refused(
            f"{environment} serves no model from the bucket: {', '.join(release.models) or 'none'} is baked in",
            fix=f"shipway model bake {version}, commit, and shipway deploy",
            state="nothing changed",
        )
    if reasons := requests_refused_by(parts.models, release, version):
        raise Refused(
            f"model {version} does not take every request that {environment}'s {release.model_version} takes: "
            + "; ".join(reasons),
            fix=f"let a release bring the model with the services that fit it: "
            f"shipway model promote {version} --next-release, then shipway deploy",
            state="nothing changed",
        )
