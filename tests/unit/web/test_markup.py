"""What becomes markup: colours of logs, declarations, charts; and how a job does. Nothing that was text becomes an element."""

from datetime import UTC, datetime, timedelta

import pytest

from jobsched.model.run import Glance, LogLine, RunState
from jobsched.web.flows import Stretch
from jobsched.web.pages import charts
from jobsched.web.pages.ansi import coloured, plain
from jobsched.web.pages.rates import rates_of
from jobsched.web.pages.yaml_markup import highlighted

START = datetime(2026, 11, 27, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def shown(*texts: str, sought: str = "") -> list[str]:
    return [str(markup) for _, markup in coloured((LogLine(1, 1, 0, START, "stdout", text) for text in texts), sought)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain <b>", "plain &lt;b&gt;"),
        ("\x1b[31mred\x1b[0m rest", '<span class="c-red">red</span> rest'),
        (
            "\x1b[1;92mboth\x1b[22m green\x1b[39m none",
            '<span class="bold c-green">both</span><span class="c-green"> green</span> none',
        ),
        ("\x1b[38;5;196mmany\x1b[38;2;1;2;31mmore", "manymore"),
        ("\x1b[48;5;1m\x1b[4mline", '<span class="underline">line</span>'),
        ("\x1b]0;title\x07\x1b[2J\x1b[Hleft", "left"),
        ("bell \x07 \x1b", "bell \\x07 \\x1b"),
        ("\x1b[31", "\\x1b[31"),
        ("\x1b[" + "9" * 5000 + "m.", "."),
    ],
)
def test_a_line_keeps_its_colours_and_nothing_else_that_steers_a_terminal(text: str, expected: str) -> None:
    assert shown(text) == [expected]


def test_a_colour_goes_on_through_the_lines_of_its_stream() -> None:
    assert shown("\x1b[33mone", "two", "\x1b[mthree") == [
        '<span class="c-yellow">one</span>',
        '<span class="c-yellow">two</span>',
        "three",
    ]


def test_what_is_sought_is_marked_wherever_it_stands() -> None:
    assert shown("Ab<ab>", sought="AB") == ["<mark>Ab</mark>&lt;<mark>ab</mark>&gt;"]
    assert shown("<i>", sought="<i>") == ["<mark>&lt;i&gt;</mark>"]
    assert plain("\x1b[31mred\x1b[0m") == "red"


def test_a_declaration_tells_keys_texts_and_numbers_apart() -> None:
    assert str(highlighted('cron: 30 2 * * *\nretries: 3\npayload: {a: "<b>", on: true}')).split("\n") == [
        '<span class="y-key">cron</span>: 30 2 * * *',
        '<span class="y-key">retries</span>: <span class="y-number">3</span>',
        '<span class="y-key">payload</span>: {a: <span class="y-text">&#34;&lt;b&gt;&#34;</span>, on: <span class="y-number">true</span>}',
    ]


def glance(state: RunState, seconds: float | None = 1.0) -> Glance:
    started = None if seconds is None else START
    finished = None if seconds is None else START + seconds * SECOND
    return Glance(id=1, state=state, reason=None, created_at=START, started_at=started, finished_at=finished)


def test_a_rate_counts_what_ran_to_its_end_and_durations_what_succeeded() -> None:
    ended = [glance(RunState.SUCCEEDED, seconds) for seconds in range(1, 20)] + [glance(RunState.FAILED, 100)]
    rates = rates_of([*ended, glance(RunState.SKIPPED, None), glance(RunState.RUNNING, None)])

    assert rates.percent == "95 %"
    assert (rates.median, rates.p95) == (10 * SECOND, 19 * SECOND)
    assert rates.elapsed(START, START + 25 * SECOND) == 250


@pytest.mark.parametrize(
    ("succeeded", "failed", "expected"),
    [(0, 0, "\N{EN DASH}"), (999, 1, "99 %"), (1, 999, "1 %"), (3, 0, "100 %"), (0, 3, "0 %")],
)
def test_a_rate_is_never_rounded_to_all_or_none(succeeded: int, failed: int, expected: str) -> None:
    rates = rates_of([glance(RunState.SUCCEEDED)] * succeeded + [glance(RunState.FAILED)] * failed)

    assert rates.percent == expected


def test_a_chart_says_in_words_what_it_shows() -> None:
    series = [Stretch(START, 10, 0, 0.1, 0.5), Stretch(START + timedelta(minutes=1), 30, 10, None, None)]

    ended, waited = charts.throughput(series, timedelta(minutes=1)), charts.waits(series)

    assert 'aria-label="50 runs ended, 10 failed; at most 40 in 1m"' in ended.svg
    assert "<title>09:01: 40 runs, 10 failed</title>" in ended.svg
    assert ended.top == "40"
    assert "<title>09:00: median 100ms, 95 of 100 within 500ms</title>" in waited.svg
    assert "<title>09:01: none</title>" in waited.svg
    assert "style" not in ended.svg + waited.svg


def test_no_chart_is_made_of_runs_that_never_ran() -> None:
    assert charts.durations([glance(RunState.SKIPPED, None)]) is None
    assert charts.durations([glance(RunState.FAILED, 0.0)]) is not None
    assert 'aria-label="None comes"' in charts.minutes([0] * 60, START).svg
