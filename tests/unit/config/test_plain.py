"""What is read without the parser is what the parser would read."""

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.examples import examples

from jobsched.config import document, plain
from jobsched.config.builder import Builder
from jobsched.config.diagnostics import Diagnostics, TooManyDiagnosticsError
from jobsched.config.document import parse

REPOSITORY = Path(__file__).parents[3]
FILES = [REPOSITORY / "jobs.yaml", *sorted((REPOSITORY / "deploy").rglob("*.yaml"))]


def by_parser(text: str) -> tuple[str, dict[str, list[int]], int] | None:
    """The data, places of keys in mappings that are fields of the top, and how many nodes it has; None if anything is wrong."""
    found = Diagnostics()
    builder = Builder("jobs.yaml", text, found, document.MAX_NODES)
    try:
        placed = builder.build(document._LOADER)
    except TooManyDiagnosticsError:
        return None
    if placed is None or found.errors:
        return None
    fields = placed.value.items() if isinstance(placed.value, dict) else ()
    places = {key: [*placed.places[id(below)][::2]] for key, below in fields if isinstance(below, dict)}
    return repr(placed.value), places, builder.nodes


def agree(text: str) -> bool:
    """Whether the two agree, as they do where the parser is needed."""
    read = plain.read(text, document.MAX_NODES, document._parse)
    if read is None:
        return True
    value, places, nodes = by_parser(text) or ("", {}, 0)
    return all(
        [
            repr(read.value) == value,
            all([*found] == places[key] for key, found in read.key_places.items()),
            plain.read(text, nodes - 1, document._parse) is None,
        ]
    )


def is_plain(text: str) -> bool:
    return plain.read(text, document.MAX_NODES, document._parse) is not None


INDENTS = st.sampled_from(["", "", "  ", "  ", "    ", "    ", "      ", "   ", " "])
KEYS = st.sampled_from(
    ["a: ", "b: ", "c: ", "a-b.c_1: ", "10: ", "a:", "b:", "c:", "jobs:", "- ", "- ", "- a: ", "-", "a", "? ", ""]
)
VALUES = st.sampled_from(
    [
        *("", "", "x", "x y", "x: y", "x:y", "x #y", "x#y", "x ", "12", "-7", "1.5", "- x", "-x", "true", "null", "~", ".inf"),
        *('"x"', '"x" ', '"x" # y', '"x"#y', '"x', 'x"', '"\\n"', '"x": y', "'x'", "'x''y'", "'x", "'x': y"),
        *("[]", "{}", "[x]", "[x, y z]", "[ x ,  1 ]", "[x,]", "[x", "[x: y]", "[x, [y]]", "[x] y", "[x]: y", "[x] # y", "[x #y]"),
        *("{a: 1}", "{a: 1, a: 2}", '{a: "x, y", b: \'}\'}', "{a: {b: []}}", "{a}", "{a: }", "{a:1}", "{a: -1, b: x:y}", "{a: 1"),
        *("|", ">", "|+", ">-", "|2", "&x", "&x y", "*x", "[&x y, *x]", "<<: {a: 1}", "!!str 5", "!x y", "%x", "@x", "`x", "x\ty"),
        *("# x", "#x", ": x", ":x", "?x", "? x", "]", "}", ",", "x]", "x,y", "é", "x\u2028y", "x\x85y", "\ufeff", "---", "...", "--- x"),
    ]
)  # fmt: skip
LINES = st.tuples(INDENTS, KEYS, VALUES).map("".join)


@settings(max_examples=examples(500, 20_000), deadline=None)
@given(
    st.lists(LINES | st.sampled_from(["", "  ", "# x", "    # x", "---", "..."]), max_size=7),
    st.sampled_from(["\n", ""]),
)
@example(["a: |", "  x", "", "", "b: 1"], "\n")
@example(["a: |+", "  x", "", ""], "\n")
@example(["a: x", "", "  y"], "\n")
@example(["a: x", "  # y", "b: 1"], "\n")
@example(["a:", "- x", "- y", "b: 1"], "")
@example(["a: 1", "- x"], "\n")
@example(["a:", "- x", "", "  y", "- z"], "\n")
@example(["a: x", "# y", "  z"], "\n")
@example(["a: 1", "b: 2", "c: 3", "b: 4"], "\n")
@example(["a:", "  b: 1", "  - c"], "\n")
def test_any_lines_are_read_as_the_parser_reads_them(lines: list[str], end: str) -> None:
    assert agree("\n".join(lines) + end)


@settings(max_examples=examples(100, 5000), deadline=None)
@given(st.lists(st.sampled_from([*"ab1:-,[]{}#'\". \n\n", ": ", "\n  ", "\n- ", "a: "]), max_size=40).map("".join))
def test_any_characters_are_read_as_the_parser_reads_them(text: str) -> None:
    assert agree(text)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_files_of_this_repository_are_read_as_the_parser_reads_them(file: Path) -> None:
    assert agree(file.read_text())


@pytest.mark.parametrize(
    "text",
    [
        'version: 1\njobs:\n  a:\n    cron: "0 3 * * *" # at night\n    payload: {n: 1, to: [a, b]}\n',
        "jobs:\n  a:\n    tags:\n    - x\n    - y\n    command:\n      - echo\n      - |\n        one\n        two\n",
        "jobs:\n  a:\n    description: many words\n\n      in three lines\n      # and why\n    tags: [\"x, y\", 'z']\n",
        "jobs:\n  a:\n    description: many words\n      in two lines\n    shell: >\n      ls\n\n  b:\n    http: {\n      url: x}\n",
    ],
)
def test_what_people_and_programs_write_takes_no_parser_for_the_whole(text: str) -> None:
    assert is_plain(text)
    assert agree(text)


@pytest.mark.parametrize(
    "text",
    [
        "a: &x 1\nb: *x\n",
        "a: [&x 1, *x]\n",
        "a: 1\na: 2\n",
        "a: {b: 1, b: 2}\n",
        "a: 1\n---\nb: 2\n",
        "a:\n  b: 1\n c: 2\n",
        'a: "x\ny"\n',
        f"a: {'9' * 401}\n",
        f"a: {'x' * (1024 * 1024 + 1)}\n",
        "- a\n",
        "",
    ],
)
def test_what_means_something_beyond_its_lines_or_is_wrong_is_the_parsers(text: str) -> None:
    assert not is_plain(text)


@pytest.mark.parametrize("depth", [30, 31, 32, 33])
@pytest.mark.parametrize("inmost", ["1", "[]", "[1]", "{a: [1]}", "\n" + " " * 40 + "- - x"])
def test_nesting_has_the_same_limit(depth: int, inmost: str) -> None:
    assert agree("".join(f"{' ' * level}a:\n" for level in range(depth - 1)) + " " * depth + f"a: {inmost}\n")


def test_places_are_found_when_they_are_asked_for() -> None:
    read = parse(b"version: 1\njobs:\n  a:\n    payload: {n: 1, m: 2}\n", "jobs.yaml")

    assert [*read.key_positions("jobs")] == [(3, 3)]
    assert read.position(("jobs", "a", "payload", "m")) == (4, 24)
    assert read.existing(("jobs", "a", "payload", "k")) == (("jobs", "a", "payload"), {"n": 1, "m": 2})
