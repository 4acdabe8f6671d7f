"""What a template of messages may hold."""

import pytest

from jobsched.model.template import TEMPLATE_FIELDS, filled_in, template_problem


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("nothing named", None),
        ("{job} and {error}, {{braces}}", None),
        ("{jbo}", "no field is named 'jbo'; did you mean {job}?"),
        ("{xyzzy}", "no field is named 'xyzzy'"),
        ("{}", "a field without a name"),
        ("{job.__class__}", "no field is named 'job.__class__'; did you mean {job}?"),
        ("{breaches[0]}", "no field is named 'breaches[0]'"),
        ("{job!r}", "{job} takes no format"),
        ("{job:>10000000}", "{job} takes no format"),
        ("{job", "a single brace"),
        ("job}", "a single brace"),
    ],
)
def test_a_template_has_names_and_nothing_else(template: str, problem: str | None) -> None:
    found = template_problem(template)

    assert (found or "").partition("; did you mean")[0] == (problem or "").partition("; did you mean")[0]


def test_every_field_is_filled_in() -> None:
    template = " ".join(f"{{{name}}}" for name in TEMPLATE_FIELDS)

    assert template_problem(template) is None
    assert filled_in(template, {"job": "a", "count": 1, "breaches": [{"run": 6}, {"run": 7}]}, 99).split() == [
        "a",
        "1",
        "7",
    ]


def test_words_that_name_what_is_long_again_and_again_are_cut() -> None:
    message = {"text": "x" * 100_000, "breaches": []}

    filled = filled_in("{text}" * 100_000, message, 50_000)

    assert filled == "x" * 49_999 + "…"
    assert filled_in("{text}", message, 100_000) == message["text"]
