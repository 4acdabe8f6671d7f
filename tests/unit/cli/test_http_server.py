"""Where the HTTP API listens and who may ask, as it is told."""

import pytest

from jobsched.cli.errors import Failure
from jobsched.cli.http_server import Place, access_of, place_of
from jobsched.model.desired import ApiSettings, Settings

TOKEN, OTHER = "t" * 32, "o" * 32


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JOBSCHED_API_TOKEN", "JOBSCHED_API_TOKEN_READ"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("8321", "127.0.0.1", 8321),
        ("localhost:0", "localhost", 0),
        ("0.0.0.0:80", "0.0.0.0", 80),
        ("[::1]:8321", "::1", 8321),
    ],
)
def test_a_place_is_read(text: str, host: str, port: int) -> None:
    assert place_of(text) == Place(host, port)


@pytest.mark.parametrize("text", ["", "host", "host:", ":80", "a:b:80", "::1:80", "99999", "http://x:80"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write PORT or HOST:PORT"):
        place_of(text)


def test_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(api=ApiSettings(admin_token="${ADMIN}", read_token="${LOOK}", hosts=("Jobs.Example",)))
    monkeypatch.setenv("ADMIN", OTHER)
    monkeypatch.setenv("LOOK", OTHER)
    monkeypatch.setenv("JOBSCHED_API_TOKEN", TOKEN)

    access = access_of(settings, Place("10.0.0.5", names=["other.example"]))

    assert (access.admin_token, access.read_token) == (TOKEN, OTHER)
    assert access.serves("jobs.example")
    assert access.serves("other.example:8321")
    assert access.serves("10.0.0.9")


def test_without_a_token_a_loopback_address_is_open_and_another_refused() -> None:
    assert access_of(Settings(), Place()).open
    with pytest.raises(Failure, match="others reach, and there is no token"):
        access_of(Settings(), Place("0.0.0.0"))


@pytest.mark.parametrize("token", ["short", "t" * 31, "t" * 31 + " x", "ä" * 40])
def test_a_poor_token_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("ADMIN", token)

    with pytest.raises(Failure) as refused:
        access_of(Settings(api=ApiSettings(admin_token="${ADMIN}")), Place())

    assert "${ADMIN} is no token" in refused.value.message
    assert token not in refused.value.message
