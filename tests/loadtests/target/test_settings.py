"""Settings and the secrets that are derived, signed and hashed."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.target.security import (
    CALLBACK_SKEW_S,
    Account,
    Sessions,
    hash_password,
    is_callback,
    sign_callback,
    verify_password,
)
from loadtests.target.settings import SettingsError, derive, from_environment

GOOD = {"OSS_SECRET": "sixteen characters", "DATABASE_URL": "postgresql://oss:secret@db/oss"}


def test_all_faults_are_told_at_once_and_no_secret_with_them() -> None:
    wrong = {"OSS_SERVICE": "web", "OSS_PORT": "http", "GATEWAY_URL": "gateway", "OSS_SECRET": "too short"}
    with pytest.raises(SettingsError) as caught:
        from_environment(wrong)
    told = str(caught.value)
    for name in ("OSS_SERVICE", "OSS_PORT", "GATEWAY_URL", "OSS_SECRET", "DATABASE_URL"):
        assert name in told
    assert "too short" not in told


def test_secrets_stay_out_of_repr() -> None:
    settings = from_environment(GOOD)
    for secret in (GOOD["OSS_SECRET"], "secret@db", settings.test_password, settings.callback_key):
        assert secret not in repr(settings)


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    written = "from a file, long enough"
    (tmp_path / "secret").write_text(f"{written}\n")
    settings = from_environment({**GOOD, "OSS_SECRET": "", "OSS_SECRET_FILE": str(tmp_path / "secret")})
    assert settings.secret == written
    assert settings.test_password == derive(written, "test accounts")


def test_the_registry_needs_neither_database_nor_secret() -> None:
    assert not from_environment({"OSS_SERVICE": "registry"}).needs_database


def test_derived_keys_differ_by_purpose_and_by_secret() -> None:
    keys = {derive(secret, purpose) for secret in ("a" * 16, "b" * 16) for purpose in ("sessions", "callbacks")}
    assert len(keys) == 4


def test_a_password_is_verified_against_its_salted_hash() -> None:
    one, two = hash_password("rahasia", iterations=1000), hash_password("rahasia", iterations=1000)
    assert one != two
    assert verify_password("rahasia", one)
    assert not verify_password("Rahasia", one)


def test_a_session_is_known_again_and_a_forged_one_is_not() -> None:
    account = Account(7, "officer", "31", "Petugas")
    token = Sessions("key").issue(account)
    assert Sessions("key").account(token) == account
    assert Sessions("other key").account(token) is None
    assert Sessions("key").account(token[:-2] + "xx") is None
    assert not Sessions("key").is_service(token)
    assert Sessions("key").is_service(Sessions("key").service_token("api"))


def test_a_form_belongs_to_one_account() -> None:
    sessions = Sessions("key")
    mine, other = Account(1, "applicant", "31", "A"), Account(2, "applicant", "31", "B")
    assert sessions.is_form_token(sessions.form_token(mine), mine)
    assert not sessions.is_form_token(sessions.form_token(mine), other)


def test_a_callback_is_only_valid_with_its_body_its_key_and_in_time() -> None:
    body, now = b'{"event_id": "12345678"}', 1_531_000_000
    signature = sign_callback("key", now, body)
    assert is_callback("key", str(now), body, signature, now)
    assert is_callback("key", str(now), body, signature, now + CALLBACK_SKEW_S)
    assert not is_callback("key", str(now), body, signature, now + CALLBACK_SKEW_S + 1)
    assert not is_callback("key", str(now + 1), body, signature, now)
    assert not is_callback("key", str(now), body + b" ", signature, now)
    assert not is_callback("other", str(now), body, signature, now)
    assert not is_callback("key", "", body, signature, now)
