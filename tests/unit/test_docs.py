"""What the documents claim is so: examples are computed, rows of tables name tests that exist, links lead somewhere."""

import re
import runpy
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import click
import pytest

from jobsched.cli.main import cli
from jobsched.config.load import check_sources
from jobsched.config.sources import Source
from jobsched.model.alert import AlertKind
from jobsched.model.job import Dst
from jobsched.observe.metrics.rules import RULES
from jobsched.schedule.cron import CronSchedule
from jobsched.schedule.schedule import slots_after

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *(DOCS / "coming-from").glob("*.md")])
WRITTEN = [page for page in PAGES if page.name not in {"jobs-yaml.md", "cli.md"}]  #: by hand
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)

SAID = "<!-- said by the program -->"
COMPUTED, TESTED = "<!-- computed by tests/unit/test_docs.py -->", "<!-- each row names its tests -->"
_TEST = re.compile(r"\btest_\w+\b(?!\.py)")


def tables(page: Path, mark: str) -> Iterator[list[list[str]]]:
    """The rows below their headings of each table that stands right below `mark`."""
    for part in page.read_text(encoding="utf-8").split(f"{mark}\n")[1:]:
        rows = [line for line in part.partition("\n\n")[0].splitlines() if line.startswith("|")]
        yield [[cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip("|"))] for row in rows[2:]]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


CRON_ROWS, DAY_ROWS = tables(DOCS / "time.md", COMPUTED)


@pytest.mark.parametrize("row", CRON_ROWS, ids=lambda row: row[0])
def test_the_slots_of_an_expression_are_those_shown(row: list[str]) -> None:
    [expression], expected = map(code, row)
    schedule = CronSchedule(expression, "UTC", job_name="nightly")

    found = islice(slots_after(schedule, NEW_YEAR), len(expected))

    assert [f"{slot:%Y-%m-%dT%H:%M:%SZ}" for slot in found] == expected


@pytest.mark.parametrize("row", DAY_ROWS, ids=lambda row: f"{row[0]} {row[1]} {row[3]}")
def test_the_slots_of_a_day_on_which_clocks_change_are_those_shown(row: list[str]) -> None:
    expression, said, zone, day, slots = row
    dst = Dst() if said == "default" else Dst(**dict([said.split(": ")]))  # type: ignore[arg-type]
    schedule = CronSchedule(code(expression)[0], zone, dst=dst)
    midnight = datetime.fromisoformat(day).replace(tzinfo=schedule.zone)

    before = midnight.astimezone(UTC) - timedelta(seconds=1)
    found = slots_after(schedule, before, (midnight + timedelta(days=1)).astimezone(UTC) - timedelta(seconds=1))

    local = [slot.astimezone(schedule.zone).isoformat() for slot in found]
    assert [text[11:16] + text[19:] for text in local] == code(slots)


SAID_ROWS = [row for table in tables(DOCS / "troubleshooting.md", SAID) for row in table]


@pytest.fixture(scope="module")
def program() -> str:
    """All source, with texts that go on over several lines joined."""
    files = [*(ROOT / "jobsched").rglob("*.py"), *(ROOT / "adapters").rglob("*.py")]
    return re.sub(r'"\n\s*f?"', "", "".join(file.read_text(encoding="utf-8") for file in files))


@pytest.mark.parametrize("row", SAID_ROWS, ids=lambda row: row[0])
def test_what_troubleshooting_quotes_is_said_by_the_program(row: list[str], program: str) -> None:
    parts = [part.strip() for part in code(row[0])[0].split("…")]

    assert [part for part in parts if part not in program] == []


def test_the_messages_are_found() -> None:
    assert len(SAID_ROWS) == 32


def test_troubleshooting_has_each_alert_that_there_is() -> None:
    table = (DOCS / "troubleshooting.md").read_text(encoding="utf-8").split("## An alert came")[1].split("\n## ")[0]

    known = {*map(str, AlertKind), *(rule.alert for rule in RULES)}
    assert {name for name in known if f"`{name}`" not in table} == set()


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.name)
def test_every_file_that_a_page_shows_is_valid(page: Path) -> None:
    blocks = re.findall(r"^( *)```yaml\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)

    for indent, block in blocks:
        text = "".join(line.removeprefix(indent) for line in block.splitlines(keepends=True))
        if not re.search(r"^(version|jobs):", text, re.MULTILINE) or re.search("^on:", text, re.MULTILINE):
            continue  # of a workflow, a hook, a manifest
        assert check_sources([Source(page.name, text.encode())]).diagnostics == ()


@pytest.mark.parametrize("name", ["jobs-yaml.md", "cli.md", "metrics.md"])
def test_the_references_are_those_of_the_program(name: str) -> None:
    page = runpy.run_path(str(DOCS / "generate.py"))["PAGES"][name]

    assert (DOCS / name).read_text(encoding="utf-8") == page(), "run: make reference"


@pytest.fixture(scope="module")
def known_tests() -> set[str]:
    files = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "jobsched" / "testing").rglob("*.py")]
    return {name for file in files for name in re.findall(r"def (test_\w+)", file.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_a_page_names_exists(page: Path, known_tests: set[str]) -> None:
    comments = re.findall(r"<!--(.*?)-->", page.read_text(encoding="utf-8"), re.DOTALL)

    named = {name for comment in comments for name in _TEST.findall(comment)}

    assert named - known_tests == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_row_of_a_table_of_answers_names_a_test(page: Path) -> None:
    rows = [row for table in tables(page, TESTED) for row in table]

    assert [row for row in rows if not _TEST.search(row[-1].partition("<!--")[2])] == []


def test_the_tables_of_answers_are_found() -> None:
    assert [len(table) for table in tables(DOCS / "time.md", TESTED)] == [3, 22, 6]
    assert [len(table) for table in tables(DOCS / "runs.md", TESTED)] == [14, 71]
    assert [len(table) for table in tables(DOCS / "reliability.md", TESTED)] == [55]


def test_the_promise_is_the_same_wherever_it_stands() -> None:
    said = [
        re.sub(r"[\s*]+", " ", page.read_text(encoding="utf-8")).lower()
        for page in (ROOT / "README.md", DOCS / "reliability.md")
    ]
    promise = said[0].partition("the promise : ")[2].partition(" so make handlers idempotent")[0]

    assert "at least once" in promise
    assert [text.count(promise) for text in said] == [1, 1]
    assert not any(re.search("exactly.once", text) for text in said)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.name)
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))

    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize(
    "index", [page for page in PAGES if page.name == "index.md"], ids=lambda page: page.parent.name
)
def test_an_index_lists_every_page(index: Path) -> None:
    """`make docs` takes its order, and fails on a page that is not in it."""
    listed = re.findall(r"^\| \[[^\]]+\]\(([a-z/-]+\.md)\)", index.read_text(encoding="utf-8"), re.MULTILINE)

    below = [*index.parent.glob("*.md"), *index.parent.glob("*/index.md")]
    assert sorted([*listed, "index.md"]) == sorted(str(page.relative_to(index.parent)) for page in below)


def commands(page: Path) -> list[list[str]]:
    """The words of each command line of jobsched that a page shows, up to a comment or the next command."""
    text = page.read_text(encoding="utf-8")
    blocks = "".join(re.findall(r"^```.*?^```", text, re.DOTALL | re.MULTILINE))
    found = re.findall(r"`jobsched ([a-z][^`\n]*)`", text)
    found += re.findall(r"^(?:\$ )?jobsched ([a-z].*)$", blocks, re.MULTILINE)
    return [re.split(r" #| &&|;", line)[0].split() for line in found]


@pytest.mark.parametrize("page", [*WRITTEN, ROOT / "README.md"], ids=lambda page: page.name)
def test_every_command_that_a_page_shows_has_its_options(page: Path) -> None:
    context = click.Context(cli, info_name="jobsched")

    for words in commands(page):
        command = cli.get_command(context, words[0])
        if isinstance(command, click.Group):
            command = command.get_command(context, words[1].split("|")[0])
        assert command is not None, words
        known = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
        assert {word.split("=")[0] for word in words if re.match("--?[a-z]", word)} <= known, words


def test_commands_are_found() -> None:
    found = {
        page.name: len(commands(page)) for page in (*WRITTEN, ROOT / "README.md") if page.parent.name != "coming-from"
    }

    assert (found["troubleshooting.md"] > 20, found["operations.md"] > 4, found["README.md"] > 10) == (True, True, True)
