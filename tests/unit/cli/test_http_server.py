"""Where the HTTP API listens and who may ask, as it is told."""

from pathlib import Path

import pytest
from click import BadParameter

from jobsched.cli.errors import Failure
from jobsched.cli.http_server import Place, access_of, place_of, proxies_of
from jobsched.cli.http_tokens import FILE, MANY, SINGLE, tokens_of
from jobsched.model.desired import ApiSettings, Settings

TOKEN, OTHER = "t" * 32, "o" * 32


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*SINGLE.values(), MANY, FILE):
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
    references = {"admin": "${ADMIN}", "read": "${LOOK}"}
    settings = Settings(api=ApiSettings(tokens=references, hosts=("Jobs.Example",)))
    monkeypatch.setenv("ADMIN", OTHER)
    monkeypatch.setenv("LOOK", OTHER)
    monkeypatch.setenv("JOBSCHED_API_TOKEN", TOKEN)

    access = access_of(settings, Place("10.0.0.5", names=["other.example"]))

    assert [(token.name, token.secret) for token in access.tokens] == [("admin", TOKEN), ("read", OTHER)]
    assert access.serves("jobs.example")
    assert access.serves("other.example:8321")
    assert access.serves("10.0.0.9")


def test_without_a_token_a_loopback_address_is_open_and_another_refused() -> None:
    assert access_of(Settings(), Place()).open
    with pytest.raises(Failure, match="others reach, and there is no token"):
        access_of(Settings(), Place("0.0.0.0"))


def test_without_a_token_no_proxy_is_trusted() -> None:
    with pytest.raises(Failure, match="a proxy brings others here, and there is no token"):
        access_of(Settings(), Place(proxies=("127.0.0.1",)))


def test_proxies_are_addresses_and_networks() -> None:
    assert proxies_of(None, None, ["10.0.0.7, 10.1.0.0/24", "::1"]) == ("10.0.0.7", "10.1.0.0/24", "::1")
    for given in ("*", "proxy.example", "10.0.0.7/24", ""):
        with pytest.raises(BadParameter, match="name the proxies"):
            proxies_of(None, None, [given])


@pytest.mark.parametrize("token", ["short", "t" * 31, "t" * 31 + " x", "ä" * 40])
def test_a_poor_token_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("ADMIN", token)

    with pytest.raises(Failure) as refused:
        access_of(Settings(api=ApiSettings(tokens={"admin": "${ADMIN}"})), Place())

    assert "${ADMIN} is no token" in refused.value.message
    assert token not in refused.value.message


def test_tokens_with_names_stand_in_a_variable_or_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"# who looks\n\nboard:read:{'b' * 32}\n  ann:admin:{'a' * 32}\n")
    environ = {MANY: f"ci:operate:{TOKEN},\n bob:admin:{OTHER}", FILE: str(file), SINGLE["operate"]: "s" * 32}

    tokens = tokens_of({}, environ)

    assert [(token.name, str(token.role)) for token in tokens] == [
        ("bob", "admin"),
        ("ann", "admin"),
        ("operate", "operate"),
        ("ci", "operate"),
        ("board", "read"),
    ]
    assert tokens[3].secret == TOKEN
    assert TOKEN not in repr(tokens)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (TOKEN, "entry 1 of JOBSCHED_API_TOKENS is no NAME:ROLE:TOKEN, with one of the roles read, operate, admin"),
        (f"ci:root:{TOKEN}", "entry 1 of JOBSCHED_API_TOKENS is no NAME:ROLE:TOKEN"),
        (f"a.b:read:{TOKEN}", "entry 1 of JOBSCHED_API_TOKENS is no NAME:ROLE:TOKEN"),
        (f"ci:read:{TOKEN} ann:read:short", "entry 2 of JOBSCHED_API_TOKENS is no token: at least 32 characters"),
        (f"ci:read:{TOKEN} ci:admin:{OTHER}", "two tokens have the name ci"),
        (f"ci:read:{TOKEN} ann:admin:{TOKEN}", "two tokens have the same secret"),
    ],
)
def test_what_is_no_list_of_tokens_is_refused_and_shows_none(given: str, told: str) -> None:
    with pytest.raises(Failure) as refused:
        tokens_of({}, {MANY: given})

    assert refused.value.message.startswith(told)
    assert TOKEN not in refused.value.message


def test_a_file_of_tokens_that_cannot_be_read_or_has_a_poor_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    with pytest.raises(Failure, match=r"JOBSCHED_API_TOKENS_FILE: .*tokens cannot be read: No such file"):
        tokens_of({}, {FILE: str(file)})
    file.write_text(f"# all\nci:{TOKEN}\n")
    with pytest.raises(Failure, match=r"line 2 of .*tokens is no NAME:ROLE:TOKEN"):
        tokens_of({}, {FILE: str(file)})
