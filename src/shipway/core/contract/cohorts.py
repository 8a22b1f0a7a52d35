"""Which devices a share of them means: the router's cohorts, so that a device meets a release and its bundle alike."""

from __future__ import annotations

COHORTS = 10_000

_MASK = 0xFFFFFFFF
_PRIMES = 2654435761, 2246822519, 3266489917, 668265263, 374761393


def cohort(device: str, salt: str = "") -> int:
    """The cohort of a device, from 0 to 9,999. Without salt it is the router's, of the header `x-device-id`.

    >>> cohort("device-1"), cohort("device-1", "other")
    (1707, 2256)
    """
    return xxh32((salt + device).encode()) % COHORTS


def is_within(device: str, percent: float, salt: str = "") -> bool:
    """Whether the device belongs to this share of all devices. A greater share only adds devices."""
    return cohort(device, salt) < round(percent * COHORTS / 100)


def xxh32(data: bytes) -> int:
    """XXH32 with seed 0 (xxHash's specification, github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md).

    >>> f"{xxh32(b'abc'):08x}"
    '32d153ff'
    """
    first, second, third, fourth, fifth = _PRIMES
    at, size = 0, len(data)
    if size >= 16:
        lanes = [(first + second) & _MASK, second, 0, -first & _MASK]
        while at + 16 <= size:
            words = (int.from_bytes(data[at + 4 * n : at + 4 * n + 4], "little") for n in range(4))
            lanes = [_turned(lane + word * second, 13) * first & _MASK for lane, word in zip(lanes, words, strict=True)]
            at += 16
        value = sum(_turned(lane, turn) for lane, turn in zip(lanes, (1, 7, 12, 18), strict=True))
    else:
        value = fifth
    value += size
    while at + 4 <= size:
        value = _turned(value + int.from_bytes(data[at : at + 4], "little") * third, 17) * fourth
        at += 4
    for byte in data[at:]:
        value = _turned(value + byte * fifth, 11) * first
    value &= _MASK
    value = (value ^ value >> 15) * second & _MASK
    value = (value ^ value >> 13) * third & _MASK
    return value ^ value >> 16


def _turned(value: int, bits: int) -> int:
    """The low 32 bits, turned left."""
    value &= _MASK
    return (value << bits | value >> (32 - bits)) & _MASK
