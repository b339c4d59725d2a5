"""Stack files: what is left of them when an environment is gone."""

from __future__ import annotations

from pathlib import Path

from infra.engine.stack_files import forget_salt


def test_salt_of_a_passphrase_that_is_gone_is_dropped(tmp_path: Path) -> None:
    own, bare, secret = (tmp_path / name for name in ("own.yaml", "bare.yaml", "secret.yaml"))
    own.write_text("encryptionsalt: v1:abc\nconfig:\n  oss:phase: 2\n", encoding="utf-8")
    bare.write_text("encryptionsalt: v1:abc\n", encoding="utf-8")
    secret.write_text("encryptionsalt: v1:abc\nconfig:\n  oss:x:\n    secure: v1:def\n", encoding="utf-8")
    for file in (own, bare, secret, tmp_path / "none.yaml"):
        forget_salt(file)
    assert own.read_text(encoding="utf-8") == "config:\n  oss:phase: 2\n"
    assert not bare.exists()
    assert "encryptionsalt" in secret.read_text(encoding="utf-8")
