"""Asking before much is changed: what each answer, and none, does."""

import io

import click
import click.termui
import pytest

from jobsched.cli.confirmation import confirm


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal())


def answering(monkeypatch: pytest.MonkeyPatch, answer: "str | type[BaseException]") -> None:
    def ask(_prompt: str) -> str:
        if isinstance(answer, str):
            return answer
        raise answer

    monkeypatch.setattr(click.termui, "visible_prompt_func", ask)


@pytest.mark.usefixtures("terminal")
def test_whoever_agrees_is_told_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    answering(monkeypatch, "y")

    confirm("make 3 runs?", declined="nothing was made")

    assert "nothing was made" not in capsys.readouterr().err


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("answer", ["n", "", EOFError])
def test_whoever_declines_is_told_what_was_left_undone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: "str | type[BaseException]"
) -> None:
    answering(monkeypatch, answer)

    with pytest.raises(SystemExit) as ended:
        confirm("make 3 runs?", declined="nothing was made")

    assert ended.value.code == 1
    assert capsys.readouterr().err.endswith("nothing was made\n")


@pytest.mark.usefixtures("terminal")
def test_ctrl_c_goes_on_to_end_the_command_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(monkeypatch, KeyboardInterrupt)

    with pytest.raises(KeyboardInterrupt):
        confirm("make 3 runs?", declined="nothing was made")

    assert capsys.readouterr().err.removeprefix("make 3 runs? [y/N]:").strip() == ""


def test_where_nobody_can_be_asked_it_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))

    with pytest.raises(click.UsageError, match="add --yes"):
        confirm("make 3 runs?", declined="nothing was made")
