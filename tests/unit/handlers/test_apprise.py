"""Alerts through apprise: what is sent where, and what nobody gets to see."""

import json

import pytest

from jobsched.errors import HttpError, NotifyError
from jobsched.handlers import apprise as apprise_handler
from jobsched.model.handler import AppriseHandler, NotifyHandler

from .conftest import Bench
from .test_http import Server, server  # noqa: F401 - a fixture

# Of what apprise imports.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

MESSAGE = {"title": "jobsched: work failed", "text": "run 7"}
OPS = NotifyHandler("ops", AppriseHandler(("${OPS_URL}",)))


def test_title_and_text_reach_the_service_that_the_url_names(bench: Bench, server: Server) -> None:  # noqa: F811
    bench.environ["OPS_URL"] = server.url.replace("http://", "json://") + "/s3cret-token"

    result = bench.perform(OPS, payload=MESSAGE)

    assert result == {"sent": 1}
    [(method, path, _, body)] = server.asked
    assert (method, path) == ("POST", "/s3cret-token")
    assert (json.loads(body)["title"], json.loads(body)["message"]) == (MESSAGE["title"], MESSAGE["text"])


def test_a_service_that_refuses_is_named_by_its_reference_alone(bench: Bench, server: Server) -> None:  # noqa: F811
    server.status = 500
    bench.environ["OPS_URL"] = server.url.replace("http://", "json://") + "/s3cret-token"

    with pytest.raises(NotifyError) as refused:
        bench.perform(OPS, payload=MESSAGE)

    assert str(refused.value) == "not sent to ${OPS_URL}: the service refused it, or was not reached"
    assert "s3cret" not in "".join(text for _, text in bench.log.written)


@pytest.mark.parametrize(
    ("url", "error", "said"),
    [
        ("nosuch://s3cret", NotifyError, "apprise does not know this kind of URL"),
        ("json://169.254.169.254/latest", HttpError, "never called"),
    ],
)
def test_some_urls_are_never_sent_to(bench: Bench, url: str, error: type[Exception], said: str) -> None:
    bench.environ["OPS_URL"] = url

    with pytest.raises(error, match=said) as refused:
        bench.perform(OPS, payload=MESSAGE)

    assert "s3cret" not in str(refused.value)


def test_where_apprise_is_not_installed_it_is_said_what_to_install(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apprise_handler, "find_spec", lambda _: None)

    with pytest.raises(NotifyError, match=r"pip install 'jobsched\[alerts\]'"):
        bench.perform(OPS, payload=MESSAGE)
