"""Bundles as the updater in the app demands them: encrypted by AES-128-CBC, key and checksum signed by RSA-2048.

Follows @capgo/capacitor-updater 8.51 (`CryptoCipher.java`, `CryptoCipher.swift`): it decrypts the session key and the
checksum with the public key in the native app, so both are encrypted with the private one (PKCS #1 v1.5, block type 1).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

BITS = 2048
_BLOCK = 16
MAKE = "shipway app key --env ENVIRONMENT"


class KeyFault(ValueError):
    """The text is no signing key that the updater can use. The message never holds it."""


@dataclass(frozen=True, slots=True)
class Signed:
    """The encrypted zip, and what an offer says of it: checksum (512 hex digits), session key (IV:key in Base64)."""

    checksum: str
    session_key: str
    content: bytes


class SigningKey:
    """The private key whose public half is in the native app."""

    def __init__(self, key: RSAPrivateKey) -> None:
        self._key = key
        # Both halves of the secret that keys and IVs are derived from: the key's own bytes.
        self._secret = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    @classmethod
    def make(cls) -> SigningKey:
        """A new one."""
        return cls(generate_private_key(public_exponent=65537, key_size=BITS))

    @classmethod
    def read(cls, pem: str) -> SigningKey:
        """The key that a PEM text holds. Raises KeyFault."""
        try:
            key = load_pem_private_key(pem.strip().encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise KeyFault(
                f"APP_SIGNING_KEY: found no private key in PEM without a password; make another: {MAKE} --replace"
            ) from error
        if not isinstance(key, RSAPrivateKey) or key.key_size != BITS:
            found = f"RSA of {key.key_size} bits" if isinstance(key, RSAPrivateKey) else "a key of another kind"
            raise KeyFault(
                f"APP_SIGNING_KEY: found {found}, the updater takes RSA of {BITS} bits; make another: {MAKE} --replace"
            )
        return cls(key)

    @property
    def pem(self) -> str:
        """The private key's PEM (PKCS #8)."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @property
    def public(self) -> str:
        """The public half's PEM (PKCS #1), as the native app takes it."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode()

    def sign(self, version: str, content: bytes) -> Signed:
        """The zip `content` as devices get it under this version.

        Key and IV are derived (HMAC-SHA-256 of the private key, RFC 2104), so that all tasks serve the same bytes: a
        download that one task began goes on at another.
        """
        digest = hashlib.sha256(content).digest()
        derived = hmac.digest(self._secret, b"app bundle\0" + version.encode() + b"\0" + digest, "sha256")
        key, iv = derived[:_BLOCK], derived[_BLOCK:]
        padder, encryptor = PKCS7(_BLOCK * 8).padder(), Cipher(AES(key), CBC(iv)).encryptor()
        padded = padder.update(content) + padder.finalize()
        return Signed(
            checksum=self._encrypt(digest).hex(),
            session_key=f"{base64.b64encode(iv).decode()}:{base64.b64encode(self._encrypt(key)).decode()}",
            content=encryptor.update(padded) + encryptor.finalize(),
        )

    def _encrypt(self, data: bytes) -> bytes:
        """RSA with the private key: a signature without its digest's name (RFC 8017, 9.2 without step 2)."""
        return self._key.sign(data, PKCS1v15(), NoDigestInfo())
