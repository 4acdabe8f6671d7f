"""Requests made of our own OpenAPI: whatever it allows is answered as it says, and is never an error of the server."""

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.result import Ok
from tests.examples import examples

from jobsched.testing.builders import a_node, a_transition, claim

if TYPE_CHECKING:
    from tests.web.conftest import Api

#: Of each operation, always the same ones: few, since they are made at each run of the tests. On PostgreSQL fewer still,
#: where each costs more: what is wrong with a request is found before the database is asked.
EXAMPLES = {"sqlite": examples(4, 100), "postgresql": examples(2, 50)}
ASKED_FOR = os.environ.get("JOBSCHED_TEST_EXAMPLES")
#: It never ends, and has tests of its own.
STREAMS = {("GET", "/api/events")}


def made_of_openapi(database: str) -> settings:
    return settings(
        max_examples=int(ASKED_FOR or EXAMPLES[database]),
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def test_52_every_request_that_openapi_allows_is_answered_as_it_says(api: "Api", database_url: str) -> None:
    made = made_of_openapi(urlsplit(database_url).scheme)
    given_something(api)
    description = api.get("/api/openapi.json")
    found = schemathesis.openapi.from_dict(description).get_all_operations()
    operations = [one.ok() for one in found if isinstance(one, Ok)]

    for operation in operations:
        if (operation.method.upper(), operation.path) not in STREAMS:
            ask_of(api, operation, made)

    assert len(operations) > 35
    assert api.get("/healthz") == {"status": "ok"}


def given_something(api: "Api") -> None:
    """Runs that wait, and one that is over, so that more is to be found than nothing."""
    api.client.enqueue("mail.send", batch="b", tags=["t"])
    api.client.trigger("hourly")
    done, *_ = claim(api.client.store, a_node(api.client.store), limit=1)
    api.client.store.finish([a_transition(done)])


def ask_of(api: "Api", operation: Any, made: settings) -> None:
    @made
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        # A log that is followed does not end before its run.
        case.query = {name: value for name, value in (case.query or {}).items() if name != "follow"}
        sent = requests.Request(**case.as_transport_kwargs(base_url="http://localhost")).prepare()
        content = sent.body.encode() if isinstance(sent.body, str) else sent.body or b""
        answer = api.ask(str(sent.method), sent.path_url, headers=dict(sent.headers), content=content)
        assert answer.status_code < 500, (sent.method, sent.path_url, content, answer.text)

    ask()
