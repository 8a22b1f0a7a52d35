"""What a replay needs of the platform beside its commands; whoever calls it joins them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Platform(Protocol):
    """Calls that wait for a daemon that is away. Each raises ShipwayError where it stays away."""

    def put(self, group: str, records: Sequence[Mapping[str, Any]]) -> Sequence[str]:
        """Put feature records; the ids of those that are older than what is online, and so were not kept."""

    def forget(self, group: str, id: str) -> None:
        """Delete a record so that older ones may come."""
