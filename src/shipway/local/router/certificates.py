"""A certificate authority of this machine and the certificate for `localhost` that it issues."""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from shipway.local.files.atomic_file import write_atomically

AUTHORITY = "ca.pem"
CERTIFICATE = "localhost.pem"
_AUTHORITY_KEY = "ca.key"
_AUTHORITY_LIFE = dt.timedelta(days=3650)
_LIFE = dt.timedelta(days=397)
_RENEW_BEFORE = dt.timedelta(days=30)


def ensure_certificates(folder: Path, now: dt.datetime) -> str:
    """Ensure that `folder` has valid files, and return the fingerprint of the certificate (hex SHA-256).

    `localhost.pem` holds certificate and key for localhost, 127.0.0.1 and ::1; clients trust `ca.pem`. What is
    missing, unreadable or expires within 30 days is made again. `now` carries a time zone.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = _load_authority(folder, now)
    if authority is None:
        authority = _make_authority(folder, now)
    certificate = _load(folder / CERTIFICATE, now)
    if certificate is None or not _issued_by(certificate, authority[0]):
        certificate = _issue(folder, authority, now)
    return certificate.fingerprint(hashes.SHA256()).hex()


def _load(path: Path, now: dt.datetime) -> x509.Certificate | None:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return certificate if certificate.not_valid_after_utc - _RENEW_BEFORE > now else None


def _load_authority(folder: Path, now: dt.datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None:
    certificate = _load(folder / AUTHORITY, now)
    try:
        key = serialization.load_pem_private_key((folder / _AUTHORITY_KEY).read_bytes(), password=None)
    except (FileNotFoundError, ValueError):
        return None
    if certificate is None or not isinstance(key, ec.EllipticCurvePrivateKey):
        return None
    return (certificate, key) if certificate.public_key() == key.public_key() else None


def _issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _make_authority(folder: Path, now: dt.datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    # The key's digest is in the name, so that the authorities of two projects are not mixed up.
    mark = hashlib.sha256(_public_bytes(key)).hexdigest()[:8]
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Shipway local authority {mark}")])
    certificate = (
        _builder(name, name, key, now, _AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_atomically(folder / _AUTHORITY_KEY, _private_bytes(key))
    write_atomically(folder / AUTHORITY, certificate.public_bytes(serialization.Encoding.PEM))
    return certificate, key


def _issue(
    folder: Path, authority: tuple[x509.Certificate, ec.EllipticCurvePrivateKey], now: dt.datetime
) -> x509.Certificate:
    issuer, issuer_key = authority
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    addresses = [x509.IPAddress(ipaddress.ip_address(text)) for text in ("127.0.0.1", "::1")]
    certificate = (
        _builder(name, issuer.subject, key, now, _LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost"), *addresses]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    write_atomically(folder / CERTIFICATE, certificate.public_bytes(serialization.Encoding.PEM) + _private_bytes(key))
    return certificate


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: dt.datetime, life: dt.timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + life)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _public_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _private_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
