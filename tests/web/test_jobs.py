"""/api/jobs."""

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.web.conftest import Api


def test_jobs_are_listed_by_name_as_the_command_line_shows_them(api: "Api") -> None:
    hourly, send = api.get("/api/jobs")

    assert (hourly["name"], send["name"]) == ("hourly", "send")
    assert hourly["definition"]["cron"] == "0 * * * *"
    assert send["definition"] == {"handler": "mail.send", "payload": {"to": "x"}, "queue": "mail", "owner": "ann"}


def test_jobs_are_filtered_and_searched(api: "Api") -> None:
    expected = {
        "search=THINGS": ["hourly"],
        "search=mail.": ["send"],
        "tag=ops": ["hourly"],
        "owner=ann": ["send"],
        "queue=mail": ["send"],
        "paused=true": ["hourly"],
        "last_state=pending": ["send"],
        "limit=1": ["hourly"],
        "after=hourly": ["send"],
        "search=nothing": [],
    }
    api.client.pause("hourly")
    api.client.trigger("send")

    assert {query: [job["name"] for job in api.get(f"/api/jobs?{query}")] for query in expected} == expected


def test_a_search_finds_what_was_declared_since(api: "Api") -> None:
    before = api.get("/api/jobs?search=new")
    api.client.create_job("newer", {"handler": "x"})

    assert (before, [job["name"] for job in api.get("/api/jobs?search=new")]) == ([], ["newer"])


def test_a_page_leads_to_the_next_and_keeps_what_was_asked(api: "Api") -> None:
    first = api.ask("GET", "/api/jobs?limit=1&search=s")
    link = first.headers["link"].removeprefix("<").partition(">")[0]
    second = api.ask("GET", f"/api/jobs{link}")

    assert first.headers["link"] == '<?limit=1&search=s&after=hourly>; rel="next"'
    assert [job["name"] for job in second.json()] == ["send"]
    assert "link" not in api.ask("GET", "/api/jobs?limit=3").headers


def test_a_job_tells_its_last_run_and_what_holds_it(api: "Api") -> None:
    made = api.client.trigger("hourly")
    api.client.pause("hourly", reason="a move")

    job = api.get("/api/jobs/hourly")

    assert (job["last_run"]["id"], job["pause"]["reason"]) == (made.id, "a move")


def test_an_unknown_job_is_told_with_the_nearest_name(api: "Api") -> None:
    asked = [("GET", ""), ("GET", "/runs"), ("GET", "/next"), ("GET", "/why")]
    asked += [("POST", "/trigger"), ("POST", "/pause"), ("POST", "/resume")]

    for method, path in asked:
        problem = api.problem(method, f"/api/jobs/hourli{path}", **({"json": {}} if method == "POST" else {}))

        assert (problem["status"], problem["code"]) == (404, "unknown_job")
        assert "did you mean 'hourly'?" in problem["detail"]


def test_the_next_slots_are_in_the_jobs_zone_and_in_utc(api: "Api") -> None:
    slots = api.get("/api/jobs/hourly/next?count=2&after=2026-12-24T08:30:00Z")

    assert slots == [
        {"scheduled_at": "2026-12-24T09:00:00+00:00", "utc": "2026-12-24T09:00:00Z"},
        {"scheduled_at": "2026-12-24T10:00:00+00:00", "utc": "2026-12-24T10:00:00Z"},
    ]
    assert api.get("/api/jobs/send/next") == []
    assert api.problem("GET", "/api/jobs/hourly/next?after=tomorrow")["status"] == 422


def test_the_fate_of_a_slot_is_told(api: "Api") -> None:
    api.clock.advance(timedelta(hours=2))

    newest, before = api.get("/api/jobs/hourly/why?count=2")
    [of_one] = api.get(f"/api/jobs/hourly/why?at={before['at']}")

    assert newest["unrecorded"] == before["unrecorded"] == "unaccounted"
    assert of_one == before


def test_a_triggered_job_has_a_run_under_the_address_that_is_told(api: "Api") -> None:
    answer = api.ask("POST", "/api/jobs/send/trigger", json={"payload": {"to": "me"}})

    assert answer.status_code == 201
    assert api.get(answer.headers["location"]) == answer.json()
    assert (answer.json()["payload"], answer.json()["source"]) == ({"to": "me"}, "trigger")
    assert [run["id"] for run in api.get("/api/jobs/send/runs?state=pending")] == [answer.json()["id"]]
    assert api.get("/api/jobs/send/runs?state=failed") == []


def test_a_trigger_needs_no_body(api: "Api") -> None:
    assert api.post("/api/jobs/send/trigger", status=201)["payload"] == {"to": "x"}


def test_a_job_is_paused_for_a_while_and_resumed(api: "Api") -> None:
    pause = api.post("/api/jobs/hourly/pause", {"duration": "2h", "reason": "a move"})
    standing = api.get("/api/pauses")
    ended = api.post("/api/jobs/hourly/resume")

    assert (pause["by"], pause["reason"]) == ("api@127.0.0.1", "a move")
    assert standing == ended == [pause]
    assert api.post("/api/jobs/hourly/resume") == api.get("/api/pauses") == []


def test_a_pause_that_makes_no_sense_is_refused(api: "Api") -> None:
    bodies = [{"duration": "soon"}, {"duration": 0}, {"duration": True}, {"reason": 5}, {"until": "x"}, []]

    assert {api.problem("POST", "/api/jobs/hourly/pause", json=body)["status"] for body in bodies} == {422}
    assert api.client.pauses() == []
