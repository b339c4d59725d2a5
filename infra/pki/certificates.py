"""Making certificates, and deciding when one has to be made again. Pure functions over PEM bytes.

Keys are EC P-256. Certificates are back-dated by a day, so that a server whose clock lags still accepts them.
Extensions follow RFC 5280: basic constraints, key usage, key identifiers, extended usage and alternative names.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from enum import Enum

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

BACK_DATED = dt.timedelta(days=1)
AUTHORITY_LIFETIME = dt.timedelta(days=3650)
LEAF_LIFETIME = dt.timedelta(days=365)
RENEW_AUTHORITY_BEFORE = dt.timedelta(days=730)
RENEW_LEAF_BEFORE = dt.timedelta(days=60)


class Usage(Enum):
    """What a certificate proves: who answers (server), who asks (client), or both, as between equals."""

    SERVER = (ExtendedKeyUsageOID.SERVER_AUTH,)
    CLIENT = (ExtendedKeyUsageOID.CLIENT_AUTH,)
    PEER = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)

    @property
    def identifiers(self) -> tuple[ObjectIdentifier, ...]:
        identifiers: tuple[ObjectIdentifier, ...] = self.value
        return identifiers


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a certificate must say. `names` are DNS names and addresses, as text; `name` is the name of its files."""

    name: str
    common_name: str
    usage: Usage
    names: tuple[str, ...] = ()
    organization: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both PEM; the key in PKCS 8, not encrypted. Never printed."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Pair(…)"


def new_key() -> bytes:
    """A new EC P-256 private key, PEM."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_key(key: bytes) -> bytes:
    """The public half of a private key, PEM."""
    return (
        _key(key).public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def issue_authority(common_name: str, key: bytes, now: dt.datetime) -> Pair:
    """A self-signed authority over `key`. Issued again over the same key, it keeps what it signed valid."""
    own = _key(key)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    usage = _key_usage(key_cert_sign=True, crl_sign=True)
    certificate = (
        _builder(subject, subject, own.public_key(), now, AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(own, hashes.SHA256())
    )
    return Pair(_pem(certificate), key)


def issue_leaf(leaf: Leaf, authority: Pair, now: dt.datetime) -> Pair:
    """A certificate with a new key, signed by `authority`."""
    issuer = x509.load_pem_x509_certificate(authority.certificate)
    issuer_key = _key(authority.key)
    key = new_key()
    builder = (
        _builder(_subject(leaf), issuer.subject, _key(key).public_key(), now, LEAF_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(leaf.usage.identifiers), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if leaf.names:
        builder = builder.add_extension(_alternative_names(leaf.names), critical=False)
    return Pair(_pem(builder.sign(issuer_key, hashes.SHA256())), key)


def authority_fault(pair: Pair, now: dt.datetime) -> str:
    """Why the authority's certificate has to be issued again, over its own key; empty when it need not."""
    certificate = x509.load_pem_x509_certificate(pair.certificate)
    return "it expires soon" if certificate.not_valid_after_utc - now < RENEW_AUTHORITY_BEFORE else ""


def leaf_fault(pair: Pair, leaf: Leaf, authority: Pair, now: dt.datetime) -> str:
    """Why the certificate has to be issued again; empty when it says what `leaf` asks for and lasts."""
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate)
        matches = _key(pair.key).public_key() == certificate.public_key()
    except ValueError:
        return "its files are damaged"
    if not matches:
        return "its key does not belong to it"
    try:
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.certificate))
    except (ValueError, InvalidSignature):
        return "another authority signed it"
    if certificate.not_valid_after_utc - now < RENEW_LEAF_BEFORE:
        return "it expires soon"
    if certificate.subject != _subject(leaf):
        return "its subject differs"
    if _usages(certificate) != set(leaf.usage.identifiers):
        return "its usage differs"
    if _names(certificate) != set(_general_names(leaf.names)):
        return "its names differ"
    return ""


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    now: dt.datetime,
    lifetime: dt.timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACK_DATED)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _subject(leaf: Leaf) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, leaf.common_name)]
    if leaf.organization:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, leaf.organization))
    return x509.Name(attributes)


def _general_names(names: tuple[str, ...]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found


def _alternative_names(names: tuple[str, ...]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(_general_names(names))


def _usages(certificate: x509.Certificate) -> set[ObjectIdentifier]:
    try:
        return set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return set()


def _names(certificate: x509.Certificate) -> set[x509.GeneralName]:
    try:
        return set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return set()


def _key_usage(digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("not an EC private key")
    return key


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
