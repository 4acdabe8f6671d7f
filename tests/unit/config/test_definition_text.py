"""How `jobsched show` writes a definition."""

from typing import Any

import pytest
import yaml

from jobsched.config.definition_text import as_yaml


@pytest.mark.parametrize(
    ("definition", "text"),
    [
        ({"handler": "billing:send", "retries": 2}, "handler: billing:send\nretries: 2\n"),
        ({"command": ["sleep", "600"]}, "command: [sleep, '600']\n"),
        ({"timeout": {"after": "30s", "kill_after": "5s"}}, "timeout: {after: 30s, kill_after: 5s}\n"),
        ({"payload": {"to": ["a", "b"]}}, "payload:\n  to: [a, b]\n"),
        ({"shell": "date\ntrue\n"}, "shell: |\n  date\n  true\n"),
        ({"command": ["sh", "-c", "date\n"]}, "command:\n- sh\n- -c\n- |\n  date\n"),
        ({"cron": ["0 9 * * *"]}, "cron: [0 9 * * *]\n"),
        ({"description": "città " + "long " * 40 + "end"}, "description: città " + "long " * 40 + "end\n"),
    ],
)
def test_a_definition_reads_as_in_a_file_and_means_the_same(definition: dict[str, Any], text: str) -> None:
    written = as_yaml(definition)

    assert written == text
    assert yaml.safe_load(written) == definition
