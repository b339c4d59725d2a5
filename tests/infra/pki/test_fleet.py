"""The certificates of a whole fleet: who gets what, made once, kept private, renewed when the fleet changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography import x509

from infra.paths import state_dir
from infra.pki.fleet import ensure_credentials, kubeconfig_file, services_ca
from tests.infra.fleet_sample import fleet, server


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSS_STATE", str(tmp_path))


def test_a_second_time_makes_nothing_and_gives_the_same_files() -> None:
    first = ensure_credentials("sample", fleet())
    second = ensure_credentials("sample", fleet())
    assert first.changes
    assert second.changes == ()
    assert second.files == first.files
    assert second.admin == first.admin == kubeconfig_file("sample").read_text()


def test_nobody_else_can_read_any_of_it() -> None:
    ensure_credentials("sample", fleet())
    state = state_dir("sample")
    assert {p.stat().st_mode & 0o777 for p in state.rglob("*.key")} == {0o600}
    assert {p.stat().st_mode & 0o777 for p in state.rglob("*.crt")} == {0o600}
    assert kubeconfig_file("sample").stat().st_mode & 0o777 == 0o600
    assert {p.stat().st_mode & 0o777 for p in (state / "pki").iterdir() if p.is_dir()} == {0o700}


def test_no_server_gets_the_key_of_an_authority_or_of_another_server() -> None:
    credentials = ensure_credentials("sample", fleet())
    pki = state_dir("sample") / "pki"
    authority_keys = [path.read_text() for path in pki.rglob("ca.key")]
    everything = {name: "\n".join(files.values()) for name, files in credentials.files.items()}
    assert len(authority_keys) == 4
    assert not any(key in text for key in authority_keys for text in everything.values())
    for name in ("primary-worker-01", "primary-worker-02", "primary-database-01"):
        own = [v for k, v in credentials.files[name].items() if k in ("kubelet.key", "server.key")]
        assert len(own) == 1
        assert [other for other, text in everything.items() if own[0] in text] == [name]
    assert not any("service-accounts.key" in credentials.files[w] for w in ("primary-worker-01", "primary-edge-01"))


def test_a_node_is_itself_and_nothing_more() -> None:
    certificate = x509.load_pem_x509_certificate(
        ensure_credentials("sample", fleet()).files["primary-worker-02"]["kubelet.crt"].encode()
    )
    assert certificate.subject.rfc4514_string() == "CN=system:node:primary-worker-02,O=system:nodes"


def test_a_server_that_joins_gets_its_own_and_the_others_keep_theirs() -> None:
    before = ensure_credentials("sample", fleet())
    grown = ensure_credentials("sample", fleet(*fleet().servers, server("worker", 3)))
    assert grown.changes == ("primary-kubernetes/node-primary-worker-03: new",)
    assert {name: grown.files[name] for name in before.files} == before.files


def test_the_operators_kubeconfig_leads_to_the_published_address_and_verifies_it() -> None:
    ensure_credentials("sample", fleet())
    document = json.loads(kubeconfig_file("sample").read_text())
    cluster = document["clusters"][0]["cluster"]
    assert cluster["server"] == "https://127.94.2.21:6443"
    assert cluster["certificate-authority-data"]
    served = x509.load_pem_x509_certificate(
        (state_dir("sample") / "pki/primary-kubernetes/apiserver-primary-control-01.crt").read_bytes()
    )
    names = served.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "127.94.2.21" in {str(a) for a in names.get_values_for_type(x509.IPAddress)}


def test_the_edge_and_the_database_are_verified_with_the_services_authority() -> None:
    credentials = ensure_credentials("sample", fleet())
    authority = x509.load_pem_x509_certificate(services_ca("sample").read_bytes())
    for name in ("primary-edge-01", "primary-database-01"):
        certificate = x509.load_pem_x509_certificate(credentials.files[name]["server.crt"].encode())
        certificate.verify_directly_issued_by(authority)
        assert credentials.files[name]["services-ca.crt"] == services_ca("sample").read_text()
