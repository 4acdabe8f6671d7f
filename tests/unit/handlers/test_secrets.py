import html
import json
import re
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobsched.config.variables import resolve
from jobsched.errors import CommandError, JobschedError
from jobsched.handlers.secrets import MIN_LENGTH, RedactingSink, Secrets

from .conftest import Remembered


def secrets_of(**environ: str) -> Secrets:
    """All of them have been referred to."""
    secrets = Secrets(resolve, environ)
    for name in environ:
        secrets.resolve(f"${{{name}}}")
    return secrets


def test_what_a_reference_was_resolved_to_is_replaced_by_the_reference() -> None:
    secrets = Secrets(resolve, {"TOKEN": "hunter22"})

    assert secrets.resolve("Bearer ${TOKEN}!") == "Bearer hunter22!"
    assert secrets.redact("Bearer hunter22! hunter22") == "Bearer ${TOKEN}! ${TOKEN}"


def test_what_was_not_referred_to_is_no_secret() -> None:
    secrets = Secrets(resolve, {"TOKEN": "hunter22", "OTHER": "whatever"})

    secrets.resolve("${TOKEN}")

    assert secrets.redact("whatever") == "whatever"


def test_a_default_is_no_secret_since_the_file_shows_it() -> None:
    secrets = Secrets(resolve, {"EMPTY": ""})

    assert secrets.resolve("${TOKEN:-hunter22} ${EMPTY:-whatever}") == "hunter22 whatever"
    assert secrets.redact("hunter22 whatever") == "hunter22 whatever"


@pytest.mark.parametrize(("value", "shown"), [("x" * (MIN_LENGTH - 1), "xxxxx"), ("x" * MIN_LENGTH, "${V}"), ("", "")])
def test_short_values_are_no_secrets(value: str, shown: str) -> None:
    assert secrets_of(V=value).redact(value) == shown


def test_a_text_without_a_secret_stays_as_it_is() -> None:
    text = "nothing here: ${TOKEN}"

    assert Secrets(resolve, {}).redact(text) is text
    assert secrets_of(TOKEN="hunter22").redact(text) == text


@pytest.mark.parametrize("order", [("SHORT", "LONG"), ("LONG", "SHORT")])
def test_of_two_values_that_begin_alike_the_longer_is_found(order: tuple[str, str]) -> None:
    values = {"SHORT": "hunter22", "LONG": "hunter22+more"}

    secrets = secrets_of(**{name: values[name] for name in order})

    assert secrets.redact("hunter22 hunter22+more") == "${SHORT} ${LONG}"


NASTY = 'a/b+c== "d\\e"<ü>&\'😀%\t1'


@pytest.mark.parametrize(
    "written",
    [
        NASTY,
        json.dumps(NASTY)[1:-1],
        json.dumps(NASTY, ensure_ascii=False)[1:-1],
        json.dumps(NASTY)[1:-1].replace("/", "\\/"),
        json.dumps(NASTY)[1:-1].replace("<", "\\u003C"),
        quote(NASTY),
        quote(NASTY, safe=""),
        quote(NASTY, safe="/+=").lower(),
        quote_plus(NASTY),
        html.escape(NASTY).replace("\\", "&#92;"),
        html.escape(NASTY.replace("\\", "%5C")).replace("&#x27;", "&#39;"),
    ],
)
def test_a_value_is_found_as_urls_json_and_html_write_it(written: str) -> None:
    assert secrets_of(TOKEN=NASTY).redact(f"<{written}>") == "<${TOKEN}>"


@settings(deadline=None)
@given(
    st.text(st.sampled_from('ab\\"/%+ &ü\ud800\n'), min_size=MIN_LENGTH),
    st.sampled_from([str, json.dumps, html.escape]),
)
def test_no_value_is_left_however_odd_it_is(value: str, write: type[str]) -> None:
    written = write(value)

    assert value not in secrets_of(V=value).redact(f"x{written}x").replace("${V}", "")


def test_a_value_that_stands_encoded_in_the_environment_is_found_decoded_too() -> None:
    assert secrets_of(PASSWORD="p%40ss%2Fword").redact("p@ss/word p%40ss%2Fword") == "${PASSWORD} ${PASSWORD}"


def test_a_byte_that_is_no_text_is_found_as_it_is_read_back() -> None:
    assert secrets_of(TOKEN="hunter\udce9").redact("hunter\ufffd") == "${TOKEN}"


def test_of_a_value_with_several_lines_each_is_found_and_all_together() -> None:
    key = "-----BEGIN KEY-----\n  c2VjcmV0\n-----END KEY-----\n"

    secrets = secrets_of(KEY=key)

    assert secrets.redact(f"KEY={key}.") == "KEY=${KEY}."
    assert [secrets.redact(line) for line in key.splitlines()] == ["${KEY}", "  ${KEY}", "${KEY}"]


def test_a_long_row_of_backslashes_is_searched_in_no_time() -> None:
    secrets = secrets_of(V="\\" * 60 + "!")

    assert secrets.redact("\\" * 10_000) == "\\" * 10_000


WRITES = (str, json.dumps, html.escape, lambda text: quote(text.encode("utf-8", "replace")))
A_VALUE = st.text(st.sampled_from('abc+/= "\n'), min_size=MIN_LENGTH, max_size=12)


@settings(deadline=None)
@given(st.data(), st.lists(A_VALUE, min_size=1, max_size=4))
def test_the_values_that_a_text_cannot_show_change_nothing(data: st.DataObject, values: list[str]) -> None:
    secrets = secrets_of(**{f"V{number}": value for number, value in enumerate(values)})
    pieces = st.builds(lambda value, write: write(value), st.sampled_from(values), st.sampled_from(WRITES))
    text = "".join(data.draw(st.lists(pieces | st.text("abc+/= \n"), max_size=6)))
    every = tuple(value for value, _ in secrets._cores)
    quick, cut = secrets.redact(text), secrets.settled(text)

    secrets._perhaps_in = lambda _: every  # type: ignore[assignment, method-assign]

    assert (secrets.redact(text), secrets.settled(text)) == (quick, cut)


def test_a_text_is_searched_only_for_the_lines_of_a_key_that_it_may_show(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"MIIE{number:02}+{number:058}/=" for number in range(50)]
    secrets = secrets_of(KEY="\n".join(lines))
    searched: list[tuple[str, ...]] = []
    pattern_of = secrets._pattern

    def noting(values: tuple[str, ...]) -> re.Pattern[str]:
        searched.append(values)
        return pattern_of(values)

    monkeypatch.setattr(secrets, "_pattern", noting)

    ordinary = secrets.redact("2030-01-01 00:00:00 INFO nothing to see\n" * 1000)
    leaking = secrets.redact(f"the key has {lines[7]}, and more\n")

    assert (ordinary.count("INFO"), leaking) == (1000, "the key has ${KEY}, and more\n")
    assert searched == [(lines[7],)]


def test_all_texts_of_a_json_value_are_redacted() -> None:
    value = {"a hunter22": ["hunter22", 1, None, True, {"x": "<hunter22>"}]}

    assert secrets_of(T="hunter22").redact_json(value) == {"a ${T}": ["${T}", 1, None, True, {"x": "<${T}>"}]}
    assert secrets_of().redact_json(value) is value


def test_an_error_keeps_its_kind_and_its_facts() -> None:
    error = CommandError("it said hunter22", exit_code=3)

    redacted = secrets_of(T="hunter22").redact_error(error)

    assert isinstance(redacted, CommandError)
    assert (str(redacted), redacted.exit_code) == ("it said ${T}", 3)


def test_an_error_whose_text_cannot_be_changed_becomes_one_that_names_it() -> None:
    redacted = secrets_of(T="hunter22").redact_error(FileNotFoundError(2, "No such file", "/home/hunter22"))

    assert type(redacted) is JobschedError
    assert str(redacted) == "FileNotFoundError: [Errno 2] No such file: '/home/${T}'"


def test_an_error_without_a_secret_is_the_same() -> None:
    error = KeyError("x")

    assert secrets_of(T="hunter22").redact_error(error) is error
    assert error.args == ("x",)


def test_a_log_is_redacted_text_by_text() -> None:
    log = Remembered()

    RedactingSink(log, secrets_of(T="hunter22")).write("log", "a hunter22\nb\n")

    assert log.written == [("log", "a ${T}\nb\n")]


def test_a_text_that_comes_in_pieces_is_cut_where_no_secret_can_have_begun() -> None:
    secrets, begun, redacted = secrets_of(T="hunter22", U="hunter22+more"), "", ""
    text = "." * 500 + ("hunter22," + "hunter22+more,") * 40

    for place in range(0, len(text), 7):
        begun += text[place : place + 7]
        end = secrets.settled(begun)
        redacted, begun = redacted + secrets.redact(begun[:end]), begun[end:]

    assert len(begun) < len(text) / 2
    assert redacted + secrets.redact(begun) == "." * 500 + "${T},${U}," * 40


def test_without_secrets_a_text_can_be_cut_anywhere() -> None:
    assert secrets_of().settled("hunter22") == 8
