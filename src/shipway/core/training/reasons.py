"""Why a step of a training was carried out, or its result used again."""

from __future__ import annotations

from shipway.core.training.steps import StepDone


def reason(done: StepDone, before: StepDone | None, run: str) -> str:
    """In words, beside what the step of the training before, `run`, was made of."""
    if before is None:
        return "its result was there already" if done.reused else "the first of its kind"
    changed = [
        name for name in {**done.made_of, **before.made_of} if done.made_of.get(name) != before.made_of.get(name)
    ]
    if changed:
        since = f"changed since run {run}: {', '.join(changed)}"
        return f"{since}; its result was there already" if done.reused else since
    return f"nothing has changed since run {run}" if done.reused else "its result was gone, or had been altered"
