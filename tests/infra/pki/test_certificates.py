"""Certificates: what they say, how they are verified, and when they are made again."""

from __future__ import annotations

import datetime as dt
import ipaddress
import itertools

import pytest
from cryptography import x509
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from infra.pki.certificates import (
    LEAF_LIFETIME,
    RENEW_LEAF_BEFORE,
    Leaf,
    Pair,
    Usage,
    authority_fault,
    issue_authority,
    issue_leaf,
    leaf_fault,
    new_key,
)

NOW = dt.datetime(2018, 5, 1, tzinfo=dt.UTC)
LEAF = Leaf("edge", "edge", Usage.SERVER, ("edge.example", "10.94.2.11"))
AUTHORITY = issue_authority("test", new_key(), NOW)


def verify(pair: Pair, authority: Pair, name: str, at: dt.datetime) -> None:
    store = verification.Store([x509.load_pem_x509_certificate(authority.certificate)])
    try:
        subject: x509.IPAddress | x509.DNSName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        subject = x509.DNSName(name)
    verifier = verification.PolicyBuilder().store(store).time(at).build_server_verifier(subject)
    verifier.verify(x509.load_pem_x509_certificate(pair.certificate), [])


@pytest.mark.parametrize("name", LEAF.names)
def test_a_strict_verifier_accepts_it_for_its_names_even_on_a_clock_that_lags(name: str) -> None:
    pair = issue_leaf(LEAF, AUTHORITY, NOW)
    for at in (NOW - dt.timedelta(hours=2), NOW, NOW + LEAF_LIFETIME - dt.timedelta(hours=1)):
        verify(pair, AUTHORITY, name, at)


def test_a_strict_verifier_refuses_other_names_other_authorities_and_the_time_after() -> None:
    pair = issue_leaf(LEAF, AUTHORITY, NOW)
    other = issue_authority("other", new_key(), NOW)
    refused = [
        (AUTHORITY, "other.example", NOW),
        (other, LEAF.names[0], NOW),
        (AUTHORITY, LEAF.names[0], NOW + LEAF_LIFETIME + dt.timedelta(hours=1)),
    ]
    for authority, name, at in refused:
        with pytest.raises(verification.VerificationError):
            verify(pair, authority, name, at)


@given(st.integers(0, LEAF_LIFETIME.days * 2))
def test_it_is_kept_until_it_nears_its_end(days: int) -> None:
    pair = issue_leaf(LEAF, AUTHORITY, NOW)
    fault = leaf_fault(pair, LEAF, AUTHORITY, NOW + dt.timedelta(days=days))
    assert (fault == "") == (dt.timedelta(days=days) <= LEAF_LIFETIME - RENEW_LEAF_BEFORE)


DIFFERENT = [
    (Leaf("edge", "edge", Usage.SERVER, ("edge.example",)), "names"),
    (Leaf("edge", "other", Usage.SERVER, LEAF.names), "subject"),
    (Leaf("edge", "edge", Usage.SERVER, LEAF.names, organization="system:nodes"), "subject"),
    (Leaf("edge", "edge", Usage.PEER, LEAF.names), "usage"),
]


@pytest.mark.parametrize(("wanted", "word"), DIFFERENT)
def test_it_is_made_again_when_something_else_is_asked_for(wanted: Leaf, word: str) -> None:
    assert word in leaf_fault(issue_leaf(LEAF, AUTHORITY, NOW), wanted, AUTHORITY, NOW)


def test_names_in_another_order_are_the_same_names() -> None:
    turned = Leaf("edge", "edge", Usage.SERVER, LEAF.names[::-1])
    assert leaf_fault(issue_leaf(LEAF, AUTHORITY, NOW), turned, AUTHORITY, NOW) == ""


def test_a_foreign_authority_a_foreign_key_and_damage_are_found() -> None:
    pair = issue_leaf(LEAF, AUTHORITY, NOW)
    other = issue_authority("test", new_key(), NOW)
    assert "authority" in leaf_fault(pair, LEAF, other, NOW)
    assert "key" in leaf_fault(Pair(pair.certificate, new_key()), LEAF, AUTHORITY, NOW)
    assert "damaged" in leaf_fault(Pair(pair.certificate[:80], pair.key), LEAF, AUTHORITY, NOW)


def test_an_authority_issued_again_over_its_key_keeps_what_it_signed() -> None:
    pair = issue_leaf(LEAF, AUTHORITY, NOW)
    later = NOW + dt.timedelta(days=200)
    again = issue_authority("test", AUTHORITY.key, later)
    assert authority_fault(AUTHORITY, NOW + dt.timedelta(days=3000))
    assert not authority_fault(again, later)
    assert leaf_fault(pair, LEAF, again, later) == ""
    verify(pair, again, LEAF.names[0], later)


def test_usages_say_no_more_than_asked() -> None:
    for usage, other in itertools.permutations((Usage.SERVER, Usage.CLIENT), 2):
        certificate = x509.load_pem_x509_certificate(
            issue_leaf(Leaf("x", "x", usage, ("x.example",)), AUTHORITY, NOW).certificate
        )
        found = set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
        assert found == set(usage.identifiers)
        assert not found & set(other.identifiers)
    assert set(Usage.PEER.identifiers) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}


def test_keys_are_not_shown() -> None:
    assert "PRIVATE" not in repr(AUTHORITY)
