"""What looks like a secret is not kept in what generations have changed."""

from typing import Any

import pytest

from jobsched.sync.withheld import WITHHELD, withheld


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("env", {"DB_PASSWORD": "hunter2", "LEVEL": "info"}, {"DB_PASSWORD": WITHHELD, "LEVEL": "info"}),
        ("env", {"API_TOKEN": "${API_TOKEN}"}, {"API_TOKEN": "${API_TOKEN}"}),
        ("http", {"headers": {"Authorization": "Bearer abc"}}, {"headers": {"Authorization": WITHHELD}}),
        (
            "payload",
            {"secrets": ["a", {"b": "c"}], "max_tokens": 5},
            {"secrets": [WITHHELD, {"b": WITHHELD}], "max_tokens": 5},
        ),
        ("password", "hunter2", WITHHELD),
        ("shell", "PGPASSWORD=hunter2 psql --token=abc x", f"PGPASSWORD={WITHHELD} psql --token={WITHHELD} x"),
        ("shell", "PGPASSWORD=$PASSWORD psql", "PGPASSWORD=$PASSWORD psql"),
        (
            "command",
            ("curl", "https://me:hunter2@host/?api_key=a&b=c"),
            ["curl", f"https://me:{WITHHELD}@host/?api_key={WITHHELD}&b=c"],
        ),
        ("shell", "psql postgresql://me:${PASSWORD}@host/db", "psql postgresql://me:${PASSWORD}@host/db"),
        ("cron", "0 2 * * *", "0 2 * * *"),
        ("description", "compare the keys of passengers", "compare the keys of passengers"),
        ("owner", None, None),
        ("payload", {"text": "token" * 50_000}, {"text": "token" * 50_000}),
    ],
)
def test_what_looks_like_a_secret_is_withheld_and_the_rest_is_kept(name: str, value: Any, kept: Any) -> None:
    assert withheld(value, name) == kept
