"""The pages for people, in this process: what each shows, what its forms do, and what they do not."""

import asyncio
import re
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any, ClassVar
from urllib.parse import urlencode

import httpx
import pytest
from tests.web.apps import a_web

from jobsched.client import Client
from jobsched.model.desired import DesiredState
from jobsched.model.instants import format_instant
from jobsched.model.run import LogLine, RunState, Transition
from jobsched.store.open import open_store
from jobsched.sync.apply import sync
from jobsched.testing.builders import a_job, claim
from jobsched.testing.clock import FakeClock
from jobsched.web.access import Access, Caller, Role, Token
from jobsched.web.kept import Kept
from jobsched.web.pages import runs_list
from jobsched.web.pages.site import way_back
from jobsched.web.sessions import COOKIE, LIFETIME, Sessions

ADMIN, OPERATE, READ = "a" * 40, "o" * 40, "r" * 40
TOKENS = (Token("admin", Role.ADMIN, ADMIN), Token("ci", Role.OPERATE, OPERATE), Token("read", Role.READ, READ))
GUARDED = Access(tokens=TOKENS)
EVIL = "<script>alert(1)</script>"
FORM = "application/x-www-form-urlencoded"


class Pages:
    """A browser without JavaScript that follows no redirect by itself."""

    def __init__(self, client: Client, clock: FakeClock, access: Access | None = None, root_path: str = "") -> None:
        self.client, self.clock = client, clock
        self.web = a_web(client, access or Access(), clock, root_path)
        self.session = ""

    def ask(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **given: Any) -> httpx.Response:
        cookie = {"cookie": f"{COOKIE}={self.session}"} if self.session else {}

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.web.asgi, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
                return await http.request(method, path, headers={**cookie, **(headers or {})}, **given)

        answer = asyncio.run(ask())
        if "set-cookie" in answer.headers:
            self.session = answer.headers["set-cookie"].partition("=")[2].partition(";")[0].strip('"')
        return answer

    def get(self, path: str, status: int = 200) -> str:
        answer = self.ask("GET", path)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"].startswith("text/html")
        assert "script-src 'self'; img-src 'self'" in answer.headers["content-security-policy"]
        check_markup(answer.text)
        return answer.text

    def send(self, page: str, action: str, headers: Mapping[str, str] | None = None, **fields: str) -> httpx.Response:
        """Send the form of a page, with what it hides and what is filled in."""
        hidden = next(form[1] for form in forms_of(self.get(page)) if form[0] == action)
        content = urlencode({**hidden, **fields})
        return self.ask("POST", action, content=content, headers={"content-type": FORM, **(headers or {})})

    def forge(self, action: str, content: str = "", **headers: str) -> int:
        answer = self.ask("POST", action, content=content, headers={"content-type": FORM, **headers})
        assert answer.headers["content-type"].startswith("text/html")
        return answer.status_code

    def log_in(self, token: str) -> httpx.Response:
        return self.send("/login", "/login", token=token)


class Checker(HTMLParser):
    """Nothing inline, nothing from elsewhere, each field labelled, no id twice, every element closed."""

    VOID: ClassVar = {"meta", "link", "input", "img", "br"}

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert not [name for name in given if name.startswith("on") or name == "style"]
        assert tag != "style"
        assert tag != "script" or str(given.get("src", "")).split("?")[0].endswith("/static/live.js")
        for name in ("src", "href", "action"):
            assert re.match(r"$|[/#?]", given.get(name) or ""), f"{tag} {name} leads elsewhere: {given[name]}"
        if tag in {"input", "select"} and given.get("type") != "hidden":
            assert "label" in self.open
        if "id" in given:
            self.ids.append(str(given["id"]))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check_markup(text: str) -> None:
    checker = Checker()
    checker.feed(text)
    checker.close()
    assert checker.open == []
    assert len(checker.ids) == len(set(checker.ids))
    assert EVIL not in text


def forms_of(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Where each form that changes something leads, and what it hides."""
    for form in re.findall(r'<form[^>]*method="post".*?</form>', text, re.DOTALL):
        [action] = re.findall(r'action="([^"]*)"', form)
        yield action, dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', form))


def actions_of(text: str) -> set[str]:
    return {action for action, _ in forms_of(text)}


def given_node(client: Client) -> int:
    info = {"threads": 8, "running": 1}
    return client.store.register(
        host="host1", pid=7, version="1", namespaces=["default"], lease=timedelta(seconds=30), info=info
    )


def given_running(client: Client, handler: str = "work", **given: Any) -> int:
    """A run that a node performs."""
    made = client.enqueue(handler, **given)
    [claimed] = claim(client.store, given_node(client), 1, generations={"default": 1})
    assert claimed.id == made.id
    return made.id


def given_failed(client: Client, message: str) -> int:
    made, node = client.enqueue("charge"), given_node(client)
    [claimed] = claim(client.store, node, 1, generations={"default": 1})
    error = {"attempt": 1, "type": "ConnectionError", "message": message, "traceback": f"File {EVIL}"}
    failed = Transition(
        id=claimed.id, claim_no=claimed.claim_no, node=node, state=RunState.FAILED, attempt=1, reason=None, error=error
    )
    client.store.finish([failed])
    return made.id


@pytest.fixture
def pages(client: Client, clock: FakeClock) -> Pages:
    return Pages(client, clock)


@pytest.fixture
def lite(sqlite_client: Client, clock: FakeClock) -> Pages:
    """For what the store's contract, or other pages, show to be the same on each database."""
    return Pages(sqlite_client, clock)


@pytest.fixture
def guarded(sqlite_url: str, clock: FakeClock) -> Iterator[Pages]:
    """What is refused reaches no database, so one of them serves."""
    with Client(open_store(sqlite_url, clock=clock), clock=clock) as client:
        client.create_job("hourly", {"shell": "ls", "cron": "0 * * * *"}, by="ann")
        yield Pages(client, clock, GUARDED)
        client.store.close()


# -- what is shown


def test_now_shows_what_runs_comes_failed_and_waits(pages: Pages) -> None:
    failed = given_failed(pages.client, f"502 {EVIL}")
    running = given_running(pages.client)
    pages.client.store.append_log([LogLine(running, 1, 0, pages.client.store.now(), "progress", "45% of the orders")])
    pages.client.enqueue("mail.send", queue="mail")
    pages.clock.advance(timedelta(minutes=1))

    text = pages.get("/")

    assert '<progress max="100" value="45"' in text
    assert f'href="/runs/{running}"' in text
    assert f'href="/runs/{failed}"' in text
    assert "ConnectionError: 502 &lt;script&gt;" in text
    assert 'href="/jobs/hourly"' in text
    assert 'href="/runs?queue=mail"' in text
    assert "host1" in text


def test_an_empty_store_has_pages_that_say_what_to_do(sqlite_url: str, clock: FakeClock) -> None:
    with Client(sqlite_url, clock=clock) as client:
        pages = Pages(client, clock)

        assert "jobsched run" in pages.get("/")
        assert "jobsched sync" in pages.get("/jobs")
        assert "No run matches" in pages.get("/runs")
        assert "jobsched sync" in pages.get("/generations")
        assert "jobsched run" in pages.get("/nodes")
        assert "Nothing waits" in pages.get("/queues")
        assert " 02:00: 0 together" in pages.get("/week")
        assert "there is nothing to do" in pages.get("/doctor")


def test_jobs_show_their_last_runs_and_are_searched(pages: Pages) -> None:
    pages.client.trigger("send")
    pages.client.pause("send", by="ann")

    text = pages.get("/jobs")

    assert "Look after &lt;things&gt;" in text
    assert 'aria-label="Last runs: 1 pending"' in text
    assert "paused" in text
    assert "/jobs/send" not in pages.get("/jobs?search=THINGS")
    assert "/jobs/hourly" not in pages.get("/jobs?state=paused")
    assert "/jobs/hourly" not in pages.get("/jobs?owner=ann")
    assert "/jobs/hourly" not in pages.get("/jobs?state=by+hand")
    assert "No job matches" in pages.get("/jobs?state=failing")
    assert "No job matches" in pages.get("/jobs?state=running")
    assert "there are failing, running" in pages.get("/jobs?state=rich", 422)
    assert "/jobs/send" not in pages.get("/jobs?tag=ops")
    assert "&lt;script&gt;" in pages.get(f"/jobs?search={EVIL}")


def test_a_list_of_many_jobs_is_read_by_the_page_with_as_many_questions_as_one(
    sqlite_url: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Client(sqlite_url, clock=clock) as client:
        for number in range(60):
            client.create_job(f"job-{number:02}", {"shell": "ls"}, by="ann")
        pages = Pages(client, clock)
        asked: list[str] = []
        for name in ("runs", "recent_runs", "jobs", "pauses"):
            monkeypatch.setattr(client, name, counting(asked, getattr(client, name)))

        first = pages.get("/jobs")
        questions = len(asked)
        second = pages.get("/jobs?after=job-49")

    assert first.count('data-label="Job"') == 50
    assert 'href="/jobs?after=job-49" rel="next"' in first
    assert second.count('data-label="Job"') == 10
    assert "rel=" not in second.split("</head>")[1]
    assert questions <= 4


def counting(asked: list[str], ask: Any) -> Any:
    def counted(*args: Any, **given: Any) -> Any:
        asked.append(ask.__name__)
        return ask(*args, **given)

    return counted


def test_a_job_shows_its_declaration_its_slots_and_what_became_of_them(pages: Pages) -> None:
    pages.client.trigger("hourly")
    pages.clock.advance(timedelta(hours=2))

    text = pages.get("/jobs/hourly")

    assert '<span class="y-key">cron</span>: 0 * * * *' in text
    assert "<code>jobs.yaml:5</code>" in text
    assert "by ann@desk" in text
    assert "Look after &lt;things&gt;" in text
    assert text.count("not accounted for yet") == 2
    assert text.count('<li class="line"><span>') == 6
    assert 'title="run 1: pending' in text
    assert actions_of(text) == {"/jobs/hourly/trigger", "/jobs/hourly/pause"}


def test_a_job_without_a_schedule_says_so(lite: Pages) -> None:
    assert "It runs when it is triggered" in lite.get("/jobs/send")


def test_runs_are_filtered_and_read_by_the_page(pages: Pages) -> None:
    ids = [pages.client.enqueue("work", queue="mail").id for _ in range(51)]
    other = pages.client.enqueue("other").id

    first, filtered = pages.get("/runs"), pages.get("/runs?queue=mail&state=&job=&since=1d")

    assert f'href="/runs/{other}"' in first
    assert f'href="/runs/{other}"' not in filtered
    assert f'href="/runs?before_id={ids[1]}&amp;queue=mail&amp;since=1d" rel="next"' in filtered
    assert pages.get(f"/runs?queue=mail&before_id={ids[1]}").count('data-label="Run"') == 1
    assert "No run matches" in pages.get("/runs?state=failed")


def test_a_run_shows_its_errors_log_payload_and_result_and_nothing_of_it_is_markup(lite: Pages) -> None:
    failed = given_failed(lite.client, f"502 {EVIL}")
    now = lite.client.store.now()
    said = f"\x1b[31mred\x1b[0m \x07bell \u202e{EVIL}"
    lite.client.store.append_log([LogLine(failed, 1, 0, now, "stderr", said)])
    waits = lite.client.enqueue("work", {"to": EVIL}).id

    text, waiting = lite.get(f"/runs/{failed}"), lite.get(f"/runs/{waits}")

    assert "<strong>ConnectionError</strong> 502 &lt;script&gt;" in text
    assert '<span class="c-red">red</span> \\x07bell \\u202e&lt;script&gt;' in text
    assert "&#34;to&#34;: &#34;&lt;script&gt;" in waiting
    assert actions_of(text) == {f"/runs/{failed}/requeue"}
    assert actions_of(waiting) == {f"/runs/{waits}/cancel"}


def test_a_long_log_is_read_by_the_page(lite: Pages) -> None:
    run, now = given_failed(lite.client, "no"), lite.client.store.now()
    lite.client.store.append_log([LogLine(run, 1, seq, now, "stdout", f"line {seq}.") for seq in range(501)])

    first, second = lite.get(f"/runs/{run}"), lite.get(f"/runs/{run}?after=1-499")

    assert f'href="/runs/{run}?after=1-499" rel="next"' in first
    assert "line 500." in second
    assert f'href="/runs/{run}?before=1-500" rel="prev"' in second
    assert "line 0." in lite.get(f"/runs/{run}?before=1-500")


def test_of_a_run_that_is_not_over_the_end_of_its_log_is_shown(lite: Pages) -> None:
    run, now = given_running(lite.client), lite.client.store.now()
    lite.client.store.append_log([LogLine(run, 1, seq, now, "stdout", f"line {seq}.") for seq in range(600)])

    text = lite.get(f"/runs/{run}")

    assert "line 599." in text
    assert "line 99." not in text
    assert f'href="/runs/{run}?before=1-100" rel="prev"' in text
    assert "line 99." in lite.get(f"/runs/{run}?before=1-100")


def test_a_log_is_searched_and_its_colours_are_classes(lite: Pages) -> None:
    run, now = given_running(lite.client), lite.client.store.now()
    texts = ["\x1b[1;31mfailed:\x1b[0m disk FULL", "all well", f"full of {EVIL}"]
    lite.client.store.append_log([LogLine(run, 1, seq, now, "stdout", text) for seq, text in enumerate(texts)])

    text, none = lite.get(f"/runs/{run}?find=full"), lite.get(f"/runs/{run}?find=nothing")

    assert '<span class="bold c-red">failed:</span> disk <mark>FULL</mark>' in text
    assert "<mark>full</mark> of &lt;script&gt;" in text
    assert "all well" not in text
    assert "2 lines with" in text
    assert "No line of its log has that" in none
    assert "&lt;script&gt;" in lite.get(f"/runs/{run}?{urlencode({'find': EVIL})}")


def test_queues_are_shown_paused_and_resumed(lite: Pages) -> None:
    lite.client.enqueue("mail.send", queue="mail")
    lite.clock.advance(timedelta(minutes=5))

    page = lite.get("/queues?pause=mail")
    answer = lite.send("/queues?pause=mail", "/queues/mail/pause", reason=EVIL, duration="2h")
    paused = lite.get("/queues")
    lite.send("/queues", "/queues/mail/resume")

    assert "0 of 2" in page
    assert ">5m<" in page
    assert answer.headers["location"] == "/queues?done=queue_paused"
    assert "Queue <strong>mail</strong>" in paused
    assert "&lt;script&gt;" in paused
    assert lite.client.pauses() == []


def test_everything_is_paused_and_resumed_from_the_page_of_queues(lite: Pages) -> None:
    lite.send("/queues", "/everything/pause", reason="a fire")
    [pause] = lite.client.pauses()
    text = lite.get("/")
    lite.send("/queues", "/everything/resume")

    assert (pause.scope, pause.reason) == ("all", "a fire")
    assert "Everything is" in text
    assert lite.client.pauses() == []


def test_nodes_tell_their_versions_files_clocks_and_abandoned_threads(lite: Pages) -> None:
    told = {"threads": 8, "running": 1, "abandoned_threads": 3, "skew_seconds": 2.5, "hash": "f" * 64, "error": EVIL}
    nodes: list[tuple[str, dict[str, Any]]] = [("1", told), ("2", {})]
    for version, info in nodes:
        lite.client.store.register(
            host="host1", pid=7, version=version, namespaces=["default"], lease=timedelta(seconds=30), info=info
        )

    text = lite.get("/nodes")

    assert "Nodes are of different versions: 1, 2" in text
    assert '<dd class="bad">3</dd>' in text
    assert '<dd class="bad">2.5 s</dd>' in text
    assert "not what is applied" in text
    assert "&lt;script&gt;" in text


def test_a_generation_shows_what_was_and_what_is(lite: Pages) -> None:
    lite.client.create_job("night", {"shell": "ls", "cron": "0 * * * *"}, by="ann")
    lite.client.update_job("night", {"shell": "ls", "cron": "30 2 * * *"}, by="bob")
    lite.client.delete_job("night", by="ann")

    listed, first, made = lite.get("/generations"), lite.get("/generations/1"), lite.get("/generations/2")
    edited, removed = lite.get("/generations/3"), lite.get("/generations/4")

    assert "updated night (cron)" in listed
    assert "+ owner: ann" in first
    assert '<span class="added">+ shell: ls</span>' in made
    assert '<span class="taken">- cron: 0 * * * *</span>' in edited
    assert '<span class="added">+ cron: 30 2 * * *</span>' in edited
    assert "bob" in edited
    assert '<span class="taken">- shell: ls</span>' in removed
    assert "there is no generation 5" in lite.get("/generations/5", 404)


def test_a_generation_of_many_jobs_is_shown_fifty_at_a_time(lite: Pages) -> None:
    jobs = {name: a_job(name) for name in (f"job-{number:03}" for number in range(60))}
    desired = DesiredState(namespace="default", jobs=jobs, content_hash="many")
    report = sync(lite.client.store, desired, applied_by="ann", allow_delete=True)
    assert report.generation is not None
    page = f"/generations/{report.generation.number}"

    first, second = lite.get(page), lite.get(f"{page}?after=50")

    shown = [name for name in jobs if f'aria-label="{name}"' in first]
    assert first.count('class="change"') == 50
    assert f'href="{page}?after=50">The next of ' in first
    assert set(jobs) - set(shown) <= {name for name in jobs if f'aria-label="{name}"' in second}
    assert "Jobs before these" in second
    assert "The next of" not in second


def test_the_doctor_says_what_is_wrong_and_what_to_do(pages: Pages) -> None:
    text = pages.get("/doctor")

    assert "no node is alive that serves namespace default" in text
    assert "What to do: start one: jobsched run" in text
    assert text.index("no node is alive") < text.index(">ok<")


def test_the_coming_week_shows_herds_and_the_jobs_of_an_hour(lite: Pages) -> None:
    for number in range(3):
        lite.client.create_job(f"night-{number}", {"shell": "ls", "cron": "30 2 * * *"}, by="ann")
    two = lite.client.store.now().replace(hour=2, minute=0) + timedelta(days=1)
    address = f"/week?{urlencode({'at': format_instant(two)})}"

    week, hour = lite.get("/week"), lite.get(address)

    assert " 02:00: 3 together" in week
    assert "3 jobs together" in week
    assert f'href="{address}#jobs"' in week
    assert hour.count('href="/jobs/night-') == 3
    assert 'href="/jobs/send"' not in hour


def test_an_hour_at_the_end_of_time_is_refused(lite: Pages) -> None:
    for at in ("9999-12-31T23:30:00Z", "0001-01-01T00:00:00Z"):
        assert "no hour of the years" in lite.get(f"/week?at={at}", 422)


def test_now_draws_what_ended_and_what_comes(pages: Pages) -> None:
    given_failed(pages.client, "no")

    text = pages.get("/")

    assert 'aria-label="1 run ended, 1 failed; at most 1 in 1m"' in text
    assert re.search(r'aria-label="Most come at \d\d:00: 1 job"', text)


def test_what_takes_long_to_count_is_not_waited_for(sqlite_client: Client, clock: FakeClock) -> None:
    pages, told = Pages(sqlite_client, clock), threading.Event()
    figures = pages.web.app.state.figures
    figures.failing = Kept(lambda: frozenset({told.wait(60)}), clock, 0, 0)
    failing = pages.get("/jobs?state=failing")
    figures.entries = figures.timings = Kept(lambda: [told.wait(60)], clock, 0, 0)
    searched, every, week = pages.get("/jobs?search=hour"), pages.get("/jobs"), pages.get("/week?at=2026-03-01T02:00Z")
    told.set()

    for text in (failing, searched):
        assert "being counted" in text
        assert "/jobs/hourly" in text
    assert "/jobs/send" in every
    assert "being counted" not in every
    assert "Being reckoned" in week


def test_a_job_is_triggered_with_another_payload(lite: Pages) -> None:
    answer = lite.send("/jobs/send", "/jobs/send/trigger", payload='{"to": "y"}')
    wrong = [lite.send("/jobs/send", "/jobs/send/trigger", payload=text) for text in ("[1]", "{", '{"n": NaN}')]

    [run] = lite.client.runs(job="send")
    assert answer.headers["location"] == f"/runs/{run.id}?done=triggered"
    assert run.payload == {"to": "y"}
    assert [one.status_code for one in wrong] == [422, 422, 422]


def test_runs_that_no_index_finds_are_looked_for_a_stretch_at_a_time(
    lite: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = lite.client.enqueue("work", queue="old").id
    newer = [lite.client.enqueue("work").id for _ in range(5)]
    monkeypatch.setattr(runs_list, "_LOOKED_THROUGH", 3)

    text = lite.get("/runs?queue=old")

    assert "No run matches" in text
    assert f'href="/runs?before_id={newer[2]}&amp;queue=old" rel="next"' in text
    assert f'href="/runs/{old}"' in lite.get(f"/runs?before_id={newer[1]}&queue=old")


def test_what_is_not_there_is_told_on_a_page(guarded: Pages) -> None:
    guarded.log_in(READ)

    for path, status, told in (
        ("/jobs/hourl", 404, "hourly"),
        ("/jobs/%3Cscript%3E", 404, "&lt;script&gt;"),
        ("/jobs/a/b/c", 404, "nothing at this address"),
        ("/runs/99", 404, "99"),
        ("/runs/abc", 422, "run_id"),
        ("/runs?state=odd", 422, "is no state"),
        ("/runs?since=odd", 422, "since"),
        ("/static/other", 404, "nothing at this address"),
        ("/static/..%2Fshown.py", 404, "nothing at this address"),
    ):
        assert told in guarded.get(path, status)


def test_an_error_of_the_server_tells_nothing_more(guarded: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    guarded.log_in(READ)
    monkeypatch.setattr(Client, "nodes", lambda _: 1 / 0)

    text = guarded.get("/nodes", 500)

    assert "its log says more" in text
    assert "ZeroDivision" not in text


def test_style_and_script_come_from_here(pages: Pages) -> None:
    for name, kind in (("style.css", "text/css"), ("live.js", "text/javascript"), ("icon.svg", "image/svg+xml")):
        answer = pages.ask("GET", f"/static/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)
        assert "http" not in answer.text.replace("http://www.w3.org/2000/svg", "")


def test_behind_a_proxy_every_link_begins_where_it_puts_the_pages(sqlite_url: str, clock: FakeClock) -> None:
    with Client(sqlite_url, clock=clock) as client:
        client.create_job("hourly", {"shell": "ls", "cron": "0 * * * *"}, by="ann")
        text = Pages(client, clock, root_path="/jobsched/").get("/jobs/hourly")

    assert all(link.startswith("/jobsched/") for link in re.findall(r'(?:href|src|action)="(/[^"]*)"', text))


# -- what is done


def test_a_job_is_triggered_paused_and_resumed_and_each_is_told(pages: Pages) -> None:
    triggered = pages.send("/jobs/hourly", "/jobs/hourly/trigger")
    [run] = pages.client.runs()
    paused = pages.send("/jobs/hourly", "/jobs/hourly/pause", duration="2h", reason=f" moves {EVIL} ")
    [pause] = pages.client.pauses()
    shown = pages.get(paused.headers["location"])
    resumed = pages.send("/jobs/hourly", "/jobs/hourly/resume", reason="moved")
    pages.send("/jobs/hourly", "/jobs/hourly/trigger", reason="late", payload="")

    assert [act.details.get("reason") for act in pages.client.audit()] == ["late", "moved", f"moves {EVIL}", None]
    assert (triggered.status_code, triggered.headers["location"]) == (303, f"/runs/{run.id}?done=triggered")
    assert "this is the run that was made" in pages.get(triggered.headers["location"])
    assert (pause.by, pause.reason) == ("web@127.0.0.1", f"moves {EVIL}")
    assert pause.until == pages.client.store.now() + timedelta(hours=2)
    assert "Paused: no slot becomes a run" in shown
    assert "moves &lt;script&gt;" in shown
    assert pages.client.pauses() == []
    assert "Resumed" in pages.get(resumed.headers["location"])


def test_a_pause_of_no_length_is_refused(guarded: Pages) -> None:
    guarded.log_in(ADMIN)

    for duration in ("soon", "0", "-1h"):
        answer = guarded.send("/jobs/hourly", "/jobs/hourly/pause", duration=duration, reason="")
        assert (answer.status_code, guarded.client.pauses()) == (422, [])
        assert "how long" in answer.text


def test_a_run_is_cancelled_and_requeued(pages: Pages) -> None:
    run = pages.client.enqueue("work").id
    page = f"/runs/{run}"

    cancelled = pages.send(page, f"{page}/cancel")
    state = pages.client.run(run).state
    requeued = pages.send(page, f"{page}/requeue")

    assert (cancelled.status_code, cancelled.headers["location"]) == (303, f"{page}?done=cancelled")
    assert state is RunState.CANCELLED
    assert requeued.headers["location"] == f"{page}?done=requeued"
    assert pages.client.run(run).state is RunState.PENDING


def test_what_cannot_be_done_any_more_is_told(pages: Pages) -> None:
    run = pages.client.enqueue("work").id
    [(action, hidden)] = forms_of(pages.get(f"/runs/{run}"))
    pages.client.cancel(run)

    answer = pages.ask("POST", action, content=urlencode(hidden), headers={"content-type": FORM})

    assert answer.status_code == 409
    assert "it is over: cancelled" in answer.text


def test_a_page_says_nothing_that_its_address_makes_up(lite: Pages) -> None:
    assert 'role="status"' not in lite.get("/jobs/hourly?done=Your+password+is+needed")


# -- who may


def test_without_a_session_every_page_leads_to_the_login(guarded: Pages) -> None:
    for path in ("/", "/jobs", "/jobs/hourly", "/runs", "/runs/1", "/queues", "/audit"):
        answer = guarded.ask("GET", path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/login")
        assert "hourly" not in answer.text
    assert not [word for word in ("default", "0.1", 'href="/jobs"') if word in guarded.get("/login")]
    assert guarded.forge("/logout") == 403
    assert guarded.ask("POST", "/jobs/hourly/trigger", headers={"content-type": FORM}).headers["location"] == "/login"
    assert guarded.client.runs() == []


def test_a_token_logs_in_with_a_cookie_that_scripts_and_other_sites_do_not_get(guarded: Pages) -> None:
    answer = guarded.send("/login?next=/jobs/hourly", "/login", token=f" {ADMIN} ")
    cookie = answer.headers["set-cookie"]

    assert (answer.status_code, answer.headers["location"]) == (303, "/jobs/hourly")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert ADMIN not in cookie
    assert guarded.send("/jobs/hourly", "/jobs/hourly/pause").status_code == 303
    assert guarded.client.pauses()[0].by == "web-admin@127.0.0.1"
    assert guarded.send("/jobs", "/logout").headers["location"] == "/login"
    assert guarded.ask("GET", "/jobs").status_code == 303


def test_over_https_the_cookie_is_for_https_alone(guarded: Pages) -> None:
    key = dict(forms_of(guarded.get("/login")))["/login"]

    answer = guarded.ask(
        "POST", "https://localhost/login", content=urlencode({**key, "token": READ}), headers={"content-type": FORM}
    )

    assert "Secure" in answer.headers["set-cookie"]


def test_a_reader_sees_no_buttons_and_is_refused_what_they_would_do(guarded: Pages) -> None:
    run = guarded.client.enqueue("work").id
    guarded.log_in(READ)
    seen = {page: actions_of(guarded.get(page)) for page in ("/jobs/hourly", f"/runs/{run}")}
    [(_, hidden)] = forms_of(guarded.get("/jobs"))

    assert set.union(*seen.values()) == {"/logout"}
    for action in ("/jobs/hourly/trigger", "/jobs/hourly/pause", "/jobs/hourly/resume", f"/runs/{run}/cancel"):
        assert guarded.forge(action, urlencode(hidden)) == 403
    assert guarded.client.run(run).state is RunState.PENDING
    assert (guarded.client.pauses(), len(guarded.client.runs())) == ([], 1)


def test_an_operator_has_the_buttons_and_is_on_record_by_name(guarded: Pages) -> None:
    guarded.log_in(OPERATE)

    assert guarded.send("/jobs/hourly", "/jobs/hourly/pause").status_code == 303
    assert guarded.client.audit()[0].by == "web-ci@127.0.0.1"


def test_a_session_is_for_pages_and_never_for_programs(guarded: Pages) -> None:
    guarded.log_in(ADMIN)

    assert guarded.ask("GET", "/api/runs").status_code == 401


def test_wrong_tokens_are_told_and_after_many_an_address_waits(guarded: Pages) -> None:
    statuses = [guarded.log_in("guess").status_code for _ in range(10)]

    assert statuses == [401] * 10
    assert guarded.ask("GET", "/login").status_code == 429


def test_a_form_of_another_site_changes_nothing(guarded: Pages) -> None:
    guarded.log_in(ADMIN)

    for headers in (
        {"origin": "http://evil.com"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"content-type": "text/plain"},
        {"content-type": "application/json"},
    ):
        assert guarded.send("/jobs/hourly", "/jobs/hourly/trigger", headers).status_code in (403, 415)
    assert guarded.client.runs() == []


def test_a_form_that_no_page_of_ours_made_changes_nothing(guarded: Pages) -> None:
    guarded.log_in(ADMIN)

    for content, status in (
        ("", 403),
        ("form_key=", 403),
        ("form_key=%C3%A4", 403),
        (f"form_key={'0' * 64}", 403),
        ("form_key=%FF", 400),
        ("a=" + "x" * 70_000, 413),
        ("&".join(f"a{n}=1" for n in range(50)), 400),
        ("a=%00", 422),
    ):
        assert guarded.forge("/jobs/hourly/trigger", content) == status
    assert guarded.client.runs() == []


def test_the_form_of_another_session_is_refused(guarded: Pages) -> None:
    guarded.log_in(ADMIN)
    hidden = dict(forms_of(guarded.get("/jobs/hourly")))["/jobs/hourly/trigger"]
    guarded.log_in(ADMIN)

    assert guarded.forge("/jobs/hourly/trigger", urlencode(hidden)) == 403


def test_a_session_ends_with_its_time_and_with_its_token(clock: FakeClock) -> None:
    sessions = Sessions(GUARDED, clock)
    cookies = {token.name: sessions.begin(token.name) for token in TOKENS}
    elsewhere = Sessions(GUARDED, clock)
    changed = Sessions(Access(tokens=(Token("admin", Role.ADMIN, "b" * 40), *TOKENS[1:])), clock)

    assert [elsewhere.caller(cookies[token.name]) for token in TOKENS] == [
        Caller(token.name, token.role) for token in TOKENS
    ]
    assert (changed.caller(cookies["admin"]), changed.caller(cookies["read"])) == (None, Caller("read", Role.READ))
    clock.advance(LIFETIME)
    assert [sessions.caller(cookie) for cookie in cookies.values()] == [None, None, None]


def test_a_session_cannot_be_made_up_or_raised(clock: FakeClock) -> None:
    sessions = Sessions(GUARDED, clock)
    reader = sessions.begin("read")
    forged = Sessions(Access(tokens=TOKENS[2:]), clock).begin("read").replace("read", "admin", 1)

    for cookie in (None, "", "admin", reader.replace("read", "admin", 1), reader[:-1], reader[:-1] + "\u00e4", forged):
        assert sessions.caller(cookie) is None
    assert Sessions(Access(), clock).caller(reader) is None


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.com/",
        "//evil.com",
        "/\\evil.com",
        "evil",
        "javascript:alert(1)",
        "/api/runs",
        "/logout",
        "",
        "/login",
    ],
)
def test_the_login_leads_back_to_pages_of_this_server_alone(text: str) -> None:
    assert way_back(text) == "/"
    assert way_back("/runs?state=failed") == "/runs?state=failed"


def test_a_page_is_open_to_a_bearer_of_a_token_too(guarded: Pages) -> None:
    answer = guarded.ask("GET", "/jobs", headers={"authorization": f"Bearer {READ}"})

    assert answer.status_code == 200
    assert guarded.session == ""


def test_the_audit_tells_who_did_what_and_leads_there(pages: Pages) -> None:
    pages.send("/jobs/hourly", "/jobs/hourly/pause", reason=EVIL)
    pages.send("/jobs/hourly", "/jobs/hourly/trigger")

    text = pages.get("/audit")
    chosen = pages.get("/audit?action=pause&job=hourly&by=WEB&since=1h")

    assert "web@127.0.0.1" in text
    assert "dashboard" in text
    assert 'href="/runs/1"' in text
    assert 'href="/jobs/hourly"' in text
    assert EVIL not in text
    assert "run 1 of hourly" not in chosen
    assert "Nothing of that kind" in pages.get("/audit?action=delete")
    assert "is no action" in pages.get("/audit?action=x", 422)


def test_the_audit_goes_on_where_a_page_ends(pages: Pages) -> None:
    for _ in range(51):
        pages.client.pause("hourly")

    newest, oldest = pages.get("/audit"), pages.get("/audit?before_id=2")

    assert newest.count("<tr>") == 51
    assert "before_id=2" in newest
    assert (oldest.count("<tr>"), "Newest" in oldest, "Older" in oldest) == (2, True, False)
