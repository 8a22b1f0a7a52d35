"""The key that signs an app's bundles, as capacitor-updater demands it: RSA-2048, its public half as PKCS #1."""

from __future__ import annotations

from dataclasses import dataclass, field

_BITS = 2048


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Both halves as PEM."""

    private: str = field(repr=False)
    public: str


def make_key_pair() -> KeyPair:
    """A new one."""
    # Only this command needs it, and each command's start is felt.
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = generate_private_key(public_exponent=65537, key_size=_BITS)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1)
    return KeyPair(private.decode(), public.decode())
