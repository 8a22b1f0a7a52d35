"""Which steps of its rollout a bundle takes in a fleet of so many devices.

A share too small to judge by would wait for devices that do not exist, so it is passed over: for the next larger share
that has enough, once it is known how many devices call, and never while something speaks against the bundle.
"""

from __future__ import annotations

from shipway.core.description.device_app import BundleRollout

KNOWN_AFTER = 86400.0
"""Seconds that a bundle is on its way before the number of devices counts: many call once a day."""
_OF_ALL = 4
"""A fleet of few devices is asked for this part of it where `min_devices` is more."""
_MARGIN = 1.5
"""So many times the devices that a step needs must belong to its share: not all of them call while it lasts."""


def needed(policy: BundleRollout, step: int, fleet: int | None, settled: int) -> int:
    """The devices of its own that a step needs.

    `fleet`: the devices that called lately, None where nobody knows. `settled`: the devices that had started the bundle
    or failed to when the step began. At 100 %, where no larger share follows, half of the devices left are enough.

    >>> policy = BundleRollout()
    >>> needed(policy, 0, None, 0), needed(policy, 0, 3_000, 0), needed(policy, 0, 40, 0), needed(policy, 4, 10, 0)
    (50, 50, 10, 5)
    """
    guard = policy.guard
    if fleet is None:
        return guard.min_devices
    fewest = min(guard.min_devices, max(guard.min_devices_to_fail, fleet // _OF_ALL))
    if step < len(policy.steps):
        return fewest
    return min(fewest, max(1, (fleet - settled) // 2))


def is_enough(policy: BundleRollout, step: int, fleet: int | None, settled: int) -> bool:
    """Whether a step's share has the devices that it needs, beside those that are settled."""
    if fleet is None or step >= len(policy.steps):
        return True
    return policy.steps[step] / 100 * fleet - settled >= _MARGIN * needed(policy, step, fleet, settled)


def next_step(policy: BundleRollout, step: int, fleet: int | None, settled: int) -> int:
    """The step after `step`: the first whose share is large enough; as many as the policy has steps for 100 %.

    >>> [next_step(BundleRollout(), 0, fleet, 0) for fleet in (None, 3_000, 500, 40, 10)]
    [1, 1, 2, 3, 4]
    """
    last = len(policy.steps)
    return next((one for one in range(step + 1, last) if is_enough(policy, one, fleet, settled)), last)


def ahead(policy: BundleRollout, step: int, fleet: int | None, settled: int) -> tuple[float, ...]:
    """The shares that follow the step's, in percent, as far as the fleet of now tells."""
    found = []
    while step < len(policy.steps):
        step = next_step(policy, step, fleet, settled)
        share = policy.steps[step] if step < len(policy.steps) else 100.0
        settled = max(settled, round(share / 100 * fleet)) if fleet is not None else settled
        found.append(share)
    return tuple(found)
