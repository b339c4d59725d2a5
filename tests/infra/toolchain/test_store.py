"""The store: complete or absent, built once, by one builder at a time."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.progress import Silent
from infra.toolchain import store


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OSS_CACHE", str(tmp_path))
    return tmp_path


def build(folder: Path) -> None:
    (folder / "thing").write_text("made")


def test_a_thing_is_built_once() -> None:
    built: list[Path] = []

    def count(folder: Path) -> None:
        built.append(folder)
        build(folder)

    first = store.ensure("a", "123", count, Silent())
    assert store.ensure("a", "123", count, Silent()) == first
    assert (first / "thing").read_text() == "made"
    assert len(built) == 1
    assert first.name == "a-123"


def test_a_failed_build_leaves_nothing(cache: Path) -> None:
    def fail(folder: Path) -> None:
        build(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.ensure("a", "123", fail, Silent())
    assert [path.name for path in (cache / "toolchain").iterdir()] == ["a.lock"]
    assert store.ensure("a", "123", build, Silent()).is_dir()


def test_what_a_killed_builder_left_is_removed(cache: Path) -> None:
    left = cache / "toolchain" / "a-000.part"
    left.mkdir(parents=True)
    store.ensure("a", "123", build, Silent())
    assert not left.exists()


def test_two_builders_build_one_after_the_other() -> None:
    under_way: list[int] = []
    most = 0
    started, go_on = threading.Event(), threading.Event()

    def slow(folder: Path) -> None:
        nonlocal most
        under_way.append(1)
        most = max(most, len(under_way))
        started.set()
        go_on.wait(10)
        under_way.pop()
        build(folder)

    builders = [threading.Thread(target=store.ensure, args=("a", hash12, slow, Silent())) for hash12 in ("1", "2")]
    builders[0].start()
    assert started.wait(10)
    builders[1].start()
    builders[1].join(0.3)
    assert builders[1].is_alive()  # it waits for the lock of the name, whatever the hash
    go_on.set()
    for builder in builders:
        builder.join(20)
    assert most == 1


@given(st.lists(st.text(max_size=4), max_size=4), st.lists(st.text(max_size=4), max_size=4))
def test_other_words_give_another_digest(first: list[str], second: list[str]) -> None:
    assert (store.digest([], first) == store.digest([], second)) == (first == second)


def test_the_digest_covers_names_and_contents(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("x")
    other.write_text("x")
    assert store.digest([one], []) != store.digest([other], [])
    before = store.digest([one], [])
    one.write_text("y")
    assert store.digest([one], []) != before
