"""A group of features, as `shipway.yaml` declares it: SageMaker's feature groups."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from shipway.core.description.values import Strict, seconds, was_stored

FeatureType = Literal["String", "Integral", "Fractional"]
FEATURE = r"[A-Za-z0-9](?:[-_]*[A-Za-z0-9]){0,63}"
_RESERVED = frozenset({"is_deleted", "write_time", "api_invocation_time"})


class FeatureGroup(Strict):
    """Records of one kind, of each the newest online."""

    record_id: str = Field(description="the feature that names a record")
    event_time: str = Field(description="the feature that tells of what moment a record is")
    types: dict[str, FeatureType] = Field(min_length=1, max_length=2500, description="every feature's type")
    ttl: Annotated[float, BeforeValidator(seconds)] | None = Field(
        default=None, gt=0, le=3650 * 86400, description="a record is gone so long after its event time"
    )

    @model_validator(mode="after")
    def _whole(self, info: ValidationInfo) -> Self:
        if was_stored(info):
            return self
        bad = [
            f"types: {name[:80]!r} is not a feature's name: letters, digits, - and _, 64 at most"
            for name in self.types
            if not re.fullmatch(FEATURE, name) or name in _RESERVED
        ]
        for key, allowed in (("record_id", {"String", "Integral"}), ("event_time", {"String", "Fractional"})):
            name = getattr(self, key)
            if self.types.get(name) not in allowed:
                bad.append(f"{key}: {name!r} has to be in `types`, as {' or '.join(sorted(allowed))}")
        if self.record_id == self.event_time:
            bad.append("event_time: has to be another feature than record_id")
        if bad:
            raise ValueError("\n".join(bad))
        return self
