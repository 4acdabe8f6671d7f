"""Text to data with positions: what is understood, what is refused, and where."""

import math
import tracemalloc

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples

from jobsched.config import document
from jobsched.config.diagnostics import Diagnostic
from jobsched.config.document import Document, parse
from jobsched.errors import ConfigError


@pytest.fixture(params=["libyaml", "python"])
def either_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "python":
        monkeypatch.setattr(document, "_LOADER", yaml.SafeLoader)


def errors_of(text: str | bytes) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        parse(text.encode() if isinstance(text, str) else text, "jobs.yaml")
    return [str(found) for found in raised.value.diagnostics]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        ("~", None),
        ("", None),
        ("Null", None),
        ("true", True),
        ("FALSE", False),
        ("10", 10),
        ("010", 10),
        ("-7", -7),
        ("+7", 7),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("3.10", 3.1),
        ("1.", 1.0),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("yes", "yes"),
        ("on", "on"),
        ("No", "No"),
        ("off", "off"),
        ("y", "y"),
        ("12:30", "12:30"),
        ("12:30:00", "12:30:00"),
        ("0o10", "0o10"),
        ("0x10", "0x10"),
        ("0b1", "0b1"),
        ("1_000", "1_000"),
        ("2026-11-22", "2026-11-22"),
        ("2026-13-45", "2026-13-45"),
        ("1.2.3", "1.2.3"),
        ("+", "+"),
        (".", "."),
        ("-", None),
        ("tRUE", "tRUE"),
        ("٣", "٣"),
        ("'10'", "10"),
        ('"null"', "null"),
        ("!!str 10", "10"),
        ("!!int 10", 10),
        ("!!float 1", 1.0),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: object, either_parser: None) -> None:
    found = parse(f"a: {text}\n".encode() if text != "-" else b"a:\n", "jobs.yaml").value["a"]

    assert (found, type(found)) == (value, type(value))


def test_nan_is_a_number_that_is_none() -> None:
    assert math.isnan(parse(b"a: .nan\n", "jobs.yaml").value["a"])


@pytest.mark.parametrize("key", ["on", "1", "true", "null", "2026-11-22", "~"])
def test_a_key_is_the_text_that_stands_there(key: str) -> None:
    assert parse(f"{key}: 1\n".encode(), "jobs.yaml").value == {key: 1}


@pytest.mark.parametrize(
    "content",
    [
        "a: é\nb: 2\n".encode(),
        b"\xef\xbb\xbf" + "a: é\nb: 2\n".encode(),
        "\ufeffa: é\nb: 2\n".encode("utf-16-le"),
        "\ufeffa: é\nb: 2\n".encode("utf-16-be"),
        "a: é\r\nb: 2\r\n".encode(),
        "--- \na: é\nb: 2\n...\n".encode(),
        "%YAML 1.2\n---\na: é\nb: 2".encode(),
    ],
)
def test_encodings_line_ends_and_document_marks_do_not_matter(content: bytes, either_parser: None) -> None:
    assert parse(content, "jobs.yaml").value == {"a": "é", "b": 2}


def test_every_key_and_value_knows_its_place(either_parser: None) -> None:
    found = parse(b"jobs:\n  nightly:\n    cron: ['1 * * * *', x]\n    retries: {max: 3}\n", "jobs.yaml")

    assert found.position(("jobs", "nightly"), of_key=True) == (2, 3)
    assert found.position(("jobs", "nightly")) == (3, 5)
    assert found.position(("jobs", "nightly", "cron", 1)) == (3, 25)
    assert found.position(("jobs", "nightly", "retries", "max")) == (4, 20)
    assert found.position(("jobs", "nightly", "retries", "max"), of_key=True) == (4, 15)


def test_a_path_that_leads_nowhere_is_at_the_deepest_key_that_exists() -> None:
    found = parse(b"jobs:\n  nightly: {cron: x}\n", "jobs.yaml")

    assert found.position(("jobs", "nightly", "timeout", "after")) == (2, 3)
    assert found.existing(("jobs", "nightly", "timeout", "after")) == (("jobs", "nightly"), {"cron": "x"})


def test_a_merge_fills_in_what_the_mapping_does_not_say_itself(either_parser: None) -> None:
    text = b"a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  <<: [*a, *b]\n  x: 3\nd: {<<: *a}\n"

    found = parse(text, "jobs.yaml")

    assert found.value["c"] == {"x": 3, "y": 1, "z": 2}
    assert found.value["d"] == {"x": 1, "y": 1}
    assert found.position(("c", "z")) == (2, 17)
    assert found.position(("c", "x")) == (5, 6)


def test_a_quoted_merge_key_is_a_key() -> None:
    assert parse(b"a: {'<<': 1}\n", "jobs.yaml").value == {"a": {"<<": 1}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "jobs:\n  a:\n    cron: */5 * * * *\n",
            '3:11: error: a value cannot begin with * (quote it: cron: "*/5 * * * *")',
        ),
        ("a:\n  cron: * * * * *\n", '2:9: error: a value cannot begin with * (quote it: cron: "* * * * *")'),
        ("cron: @daily\n", '1:7: error: a value cannot begin with @ (quote it: cron: "@daily")'),
        ("cron: @daily # x\n", '1:7: error: a value cannot begin with @ (quote it: cron: "@daily")'),
        ("format: %H\n", '1:9: error: a value cannot begin with % (quote it: format: "%H")'),
        ("a: [date, %H]\n", '1:11: error: a value cannot begin with % (quote it: "%H")'),
        ("cron: [*/5 * * * *, x]\n", '1:8: error: a value cannot begin with * (quote it: "*/5 * * * *")'),
        ("a:\n  - @daily\n", '2:5: error: a value cannot begin with @ (quote it: "@daily")'),
        ("a: `x`\n", '1:4: error: a value cannot begin with ` (quote it: a: "`x`")'),
        ("a: & x\n", '1:4: error: a value cannot begin with & (quote it: a: "& x")'),
        (
            "a: *x\n",
            '1:4: error: a: the alias *x means nothing: no anchor &x stands before it (quote it: a: "*x")',
        ),
        (
            "a: &x [*x]\n",
            '1:8: error: a[0]: the alias *x means nothing: it stands inside its own anchor (quote it: "*x")',
        ),
        ("a: !x y\n", "1:4: error: a: unknown tag '!x'; remove it, or quote the value if the tag is meant as text"),
        ("a: !!python/none x\n", "1:4: error: a: unknown tag 'tag:yaml.org,2002:python/none'"),
        ("a: !!set {b}\n", "1:4: error: a: unknown tag 'tag:yaml.org,2002:set'; remove it"),
        ("a: !!binary eA==\n", "1:4: error: a: unknown tag 'tag:yaml.org,2002:binary'"),
        ("a: !!int x\n", "1:4: error: a: 'x' is no int"),
        (
            "shell: echo a: b\n",
            "1:8: error: a second `: ` in one line; quote the value, or look at the indentation (quote it: s",
        ),
        ("a:\n\tb: 1\n", "2:1: error: a tab cannot indent; use spaces"),
        ("a: [1, 2\nb: 3\n", "2:2: error: a list in [ ] is not closed, or a comma is missing"),
        ("a: {b: 1\n", "2:1: error: a map in { } is not closed, or a comma is missing"),
        ("a: 'x\n", "1:4: error: a quoted text is not closed; is the file cut short?"),
        ('a: "\\q"\n', "1:5: error: unknown escape in double quotes"),
        ("a:\n  b: 1\n c: 2\n", "3:2: error: expected another `key: value` here"),
        ("- a\nb: 1\n", "2:1: error: expected another `- item` here"),
        ("a: 1\n---\nb: 2\n", "2:1: error: a second document; a file holds one"),
        ("a: 1\nb: 2\na: 3\n", "3:1: error: a: `a` stands here a second time; the first is on line 1"),
        ("x:\n  a: 1\n  'a': 3\n", "3:3: error: x.a: `a` stands here a second time; the first is on line 2"),
        ("? [a]\n: b\n", "1:3: error: a key is a plain text"),
        ("? {a: b}\n: b\n", "1:3: error: a key is a plain text"),
        ("? \n: b\n", "1:2: error: a key is a plain text"),
        ("{: b}\n", "1:2: error: expected a value here"),
        ("a: &a b\n*a : 1\n", "2:1: error: an alias cannot be a key"),
        ("a:\n  <<: 1\n", "2:7: error: a: `<<` takes a mapping, or a list of mappings"),
        ("a: " + "9" * 5000, "1:4: error: a: a number of 5000 digits; quote it if it is text"),
        ('a: "x\\0"\n', "1:4: error: a: the character U+0000 and halves of surrogate pairs are not allowed"),
        ('"a\\0": 1\n', "1:1: error: a key is a plain text"),
        ("a: 1\nb: \x00\n", "2:4: error: the character U+0000 is not allowed (save the file as UTF-8)"),
        ("a: \x1b[31m\n", "1:4: error: the character U+001B is not allowed"),
        (b"a: 1\nb: \xff\n", "2:4: error: not UTF-8 text: invalid start byte (save the file as UTF-8)"),
        ("a: é\n".encode("latin-1"), "1:4: error: not UTF-8 text"),
        ("\ufeffa: é\n".encode("utf-16-le")[:-1], "1:5: error: not UTF-16-LE text"),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_the_cure(text: str | bytes, expected: str) -> None:
    [error, *_] = errors_of(text)

    assert error.startswith(f"jobs.yaml:{expected}")


def test_all_duplicates_are_reported_at_once() -> None:
    assert len(errors_of("a: 1\na: 2\nb: {c: 1, c: 2, c: 3}\n")) == 3


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "[{a: ", "? "])
def test_deep_nesting_is_refused_and_does_no_harm(opening: str, either_parser: None) -> None:
    [error] = errors_of(opening * 60_000)

    assert "nested deeper than 32 levels" in error or "a key is a plain text" in error


def test_nesting_up_to_the_limit_is_fine() -> None:
    assert parse(b"[" * 32 + b"]" * 32, "jobs.yaml").value
    assert errors_of("[" * 33 + "]" * 33)


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]

    assert "its aliases stand for more than 1,000,000 values" in errors_of("\n".join(lines))[-1]


def test_an_alias_bomb_of_long_texts_is_refused() -> None:
    text = f"a: &a {'x' * 1_000_000}\nb: [{', '.join(['*a'] * 999)}]\n"

    assert "its aliases stand for more than 1,000,000 values" in errors_of(text)[-1]


def test_a_merge_bomb_is_refused_in_little_memory() -> None:
    lines = ["a0: &a0 {" + ", ".join(f"k{n}: {n}" for n in range(9)) + "}"]
    lines += [f"a{n}: &a{n} [{', '.join([f'{{<<: *a{n - 1}}}' if n == 1 else f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    tracemalloc.start()

    error = errors_of("\n".join(lines))[-1]

    assert "more than" in error
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_too_many_aliases_are_refused() -> None:
    assert "more than 1000 aliases" in errors_of(f"a: &a 1\nb: [{', '.join(['*a'] * 1001)}]\n")[-1]


def test_a_text_beyond_a_mebibyte_is_refused() -> None:
    assert errors_of(f"a: {'x' * (1024 * 1024 + 1)}\n")[0].startswith(
        "jobs.yaml:1:4: error: a: a text of more than 1 MiB"
    )


def test_a_file_beyond_64_mebibytes_is_refused() -> None:
    assert errors_of(b"#" * (64 * 1024 * 1024 + 1)) == ["jobs.yaml:1:1: error: larger than 64 MiB"]


def test_too_many_values_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MAX_NODES", 10)

    assert "more than 10 values; split the file" in errors_of("[" + "1," * 20 + "]")[0]


def test_a_file_of_nothing_but_errors_ends_with_a_word_on_the_rest() -> None:
    found = errors_of("a: 1\n" * 5000)

    assert len(found) == 1001
    assert any("more than 1000 findings" in each for each in found)


@settings(max_examples=examples(100, 1000), deadline=None)
@given(
    st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
)
def test_any_bytes_are_a_document_or_a_config_error(content: bytes) -> None:
    assert understood(content)


@settings(max_examples=examples(100, 1000), deadline=None)
@given(st.lists(st.sampled_from(list("ab1:-,[]{}&*!|>'\"%@`#?~ \n\t<.\\")), max_size=60).map("".join))
def test_any_yaml_like_text_is_a_document_or_a_config_error(text: str) -> None:
    assert understood(text.encode())


def understood(content: bytes) -> bool:
    try:
        return isinstance(parse(content, "jobs.yaml"), Document)
    except ConfigError as error:
        return all(isinstance(found, Diagnostic) and found.line > 0 and found.column > 0 for found in error.diagnostics)


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["C"])),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc <~", min_size=1), inner, max_size=4),
        max_leaves=12,
    )
)
def test_what_a_yaml_library_writes_is_read_back(value: object) -> None:
    text = yaml.safe_dump({"value": value}, default_style='"', default_flow_style=False)

    read = parse(text.encode(), "jobs.yaml").value["value"]

    assert read == value
