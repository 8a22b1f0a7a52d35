"""Which version answers a request."""

from __future__ import annotations

import math
from hashlib import blake2b

from ml_model_service.contract.wanted import Wanted


class Chooser:
    """Picks the version for a cohort key by weighted rendezvous hashing (Schindelhauer and Schomaker 2005).

    The same key gets the same version in every process, and raising one candidate's percent moves keys to that
    candidate only from others, never away from it.
    """

    def __init__(self, wanted: Wanted) -> None:
        # A personal hash for each version: its order of keys depends on no other version, nor on the router's hash.
        self._weighed = [
            (index, 1 / percent, blake2b(digest_size=8, key=version.encode(), person=b"model variant"))
            for index, (version, percent) in enumerate(wanted.variants)
            if percent > 0
        ]
        self._only = self._weighed[0][0] if len(self._weighed) == 1 else None

    def choose(self, key: bytes) -> int:
        """The index of the key's version in `Wanted.variants`."""
        if self._only is not None:
            return self._only
        chosen, nearest, log, number = 0, math.inf, math.log, int.from_bytes
        for index, inverse, salted in self._weighed:
            hashed = salted.copy()
            hashed.update(key)
            # An exponential variable with the percent as its rate: the smallest wins in proportion to the rates.
            # The half keeps the logarithm's argument above 0, the 53 bits that a float holds keep it below 1.
            distance = -log(((number(hashed.digest(), "big") >> 11) + 0.5) * 2.0**-53) * inverse
            if distance < nearest:
                chosen, nearest = index, distance
        return chosen
