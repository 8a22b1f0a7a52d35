"""Which clients go to the endpoint while both routes exist."""

from __future__ import annotations

from hashlib import blake2b

# A hash of its own: who goes where says nothing about who is in a canary of the code or in a model's split.
_EMPTY = blake2b(digest_size=8, person=b"model route")


def in_share(key: str, percent: float) -> bool:
    """Whether the client with this key is among `percent` of all; whoever is stays so at any higher percent."""
    hashed = _EMPTY.copy()
    hashed.update(key.encode())
    # 53 bits are what a float holds exactly, so that the place stays below 100.
    return (int.from_bytes(hashed.digest()) >> 11) * 2.0**-53 * 100 < percent
