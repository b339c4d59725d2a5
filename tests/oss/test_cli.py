"""The command as a newcomer meets it: every subcommand is there, teaches its use, and fails in words."""

from __future__ import annotations

import importlib

import pytest

from capacity.faults import Exit
from oss.cli import COMMANDS, main, parser


def test_help_names_every_command_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == Exit.BAD_INPUT
    shown = capsys.readouterr().out
    for name in COMMANDS:
        assert f"\n  {name}" in shown
    for code in Exit:
        assert f"{code.value:>3}" in shown
    assert parser().format_help() == shown


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_teaches_its_use(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert importlib.import_module(f"oss.{name}").__doc__
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: oss {name}")
    assert f"oss {name}" in shown.split("\n", 1)[1]  # an example of its use


@pytest.mark.parametrize(
    "words",
    [
        ["plan", "nowhere.yaml"],
        ["validate", "--plan", "nowhere.yaml"],
        ["loadtest", "no-such-profile"],
        ["up", "No Such Name"],
    ],
)
def test_bad_input_is_one_message_with_a_remedy(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == Exit.BAD_INPUT
    said = capsys.readouterr().err
    assert said.startswith(f"oss {words[0]}: ")
    assert "nothing was changed" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rack", "down", "two"], "oss rack: unrecognized arguments: two. `oss rack --help` shows"),
        (["lease", "list"], "oss lease list: the following arguments are required: ENV. `oss lease list --help` shows"),
    ],
)
def test_arguments_that_a_command_does_not_take_are_refused_with_its_help(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == Exit.BAD_INPUT
    assert told in capsys.readouterr().err


def test_unknown_command_is_refused() -> None:
    with pytest.raises(SystemExit) as left:
        main(["pln"])
    assert left.value.code == Exit.BAD_INPUT
