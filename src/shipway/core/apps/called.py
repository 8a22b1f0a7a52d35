"""What a bundle calls, as it is kept beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from shipway.core.apps.gate import CalledApi


def calls_text(calls: Mapping[str, CalledApi]) -> str:
    """The text of its calls.json."""
    return json.dumps({service: asdict(one) for service, one in calls.items()})


def read_calls(text: str | bytes) -> Mapping[str, CalledApi]:
    """What a calls.json says, by service. Raises ValueError."""
    try:
        return {
            service: CalledApi(one["document"], tuple(one["operations"]), tuple(one["optional"]))
            for service, one in json.loads(text).items()
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(str(error)) from error
