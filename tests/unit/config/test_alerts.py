"""`notifiers` and `alerts`: what they come to, and what is refused in which words."""

from datetime import timedelta

import pytest

from jobsched.config.load import check_sources
from jobsched.config.sources import Source
from jobsched.model.alert import AlertKind, Alerts, Notifier, Sla
from jobsched.model.handler import AppriseHandler, ShellHandler

NOTIFIERS = 'notifiers: {ops: {shell: mail ops}, chat: {apprise: "${CHAT_URL}"}}'
OPS, CHAT = Notifier("ops", ShellHandler("mail ops")), Notifier("chat", AppriseHandler(("${CHAT_URL}",)))
MINUTE = timedelta(minutes=1)


def alerts_of(job: str, defaults: str = "") -> Alerts | None:
    text = f"{NOTIFIERS}\n{defaults}\njobs:\n  a: {{shell: ls, {job}}}\n"
    state = check_sources([Source("jobs.yaml", text.encode())]).state
    assert state is not None
    return state.jobs["a"].alerts


def errors(text: str) -> list[str]:
    return [
        f"{found.line} {found.path}: {found.message} ({found.hint})"
        for found in check_sources([Source("jobs.yaml", text.encode())]).diagnostics
    ]


@pytest.mark.parametrize(
    ("job", "defaults", "expected"),
    [
        ("every: 1h", "", None),
        ("alerts: {notify: ops}", "", Alerts((OPS,))),
        ("alerts: {notify: [chat, ops, chat]}", "", Alerts((CHAT, OPS))),
        (
            "every: 1h, alerts: {notify: ops, sla: {late_after: 1m}}",
            "",
            Alerts((OPS,), (AlertKind.FINAL_FAILURE, AlertKind.RECOVERY, AlertKind.LATE), Sla(late_after=MINUTE)),
        ),
        ("alerts: {when: failure}", "defaults: {alerts: {notify: ops}}", Alerts((OPS,), (AlertKind.FAILURE,))),
        (
            "alerts: {sla: {max_runtime: 1m}}",
            "defaults: {alerts: {notify: ops, throttle: 1m, when: stuck, sla: {max_runtime: 2h}}}",
            Alerts((OPS,), (AlertKind.STUCK,), Sla(max_runtime=MINUTE), MINUTE),
        ),
        ("alerts: none", "defaults: {alerts: {notify: ops}}", None),
        (
            "suspend: true",
            "defaults: {alerts: {notify: ops, when: [missed, failure]}}",
            Alerts((OPS,), (AlertKind.FAILURE,)),
        ),
        ("suspend: true", "defaults: {alerts: {notify: ops, when: missed}}", None),
    ],
)
def test_alerts_of_a_job_are_joined_with_the_defaults_key_by_key(
    job: str, defaults: str, expected: Alerts | None
) -> None:
    assert alerts_of(job, defaults) == expected


@pytest.mark.parametrize(
    ("alerts", "said"),
    [
        ("{notify: oops}", "alerts.notify: no notifier is named 'oops' (did you mean ops?)"),
        ("{notify: nobody}", "alerts.notify: no notifier is named 'nobody' (declare it under `notifiers` of the file)"),
        ("{when: failure}", "alerts: nobody is told (name notifiers: `notify: […]`)"),
        ("{notify: ops, when: late}", "alerts.when: `late` needs a duration (write `sla: {late_after: …}`)"),
        (
            "{notify: ops, when: failure, sla: {max_runtime: 1m}}",
            "alerts.sla.max_runtime: no effect without `stuck` in `when` (add `stuck` to `when`, or remove it)",
        ),
        (
            "{notify: ops, when: recovery}",
            "alerts.when: `recovery` comes after a final failure, which is not in `when` (add `final_failure`)",
        ),
        (
            "{notify: ops, sla: {max_time_since_success: 60d}}",
            "alerts.sla.max_time_since_success: history keeps runs for 30d only (write a duration of at most 30d)",
        ),
        ("{notfy: ops}", "alerts.notfy: unknown field (did you mean `notify`?)"),
    ],
)
def test_alerts_that_could_not_be_as_they_say_are_refused(alerts: str, said: str) -> None:
    found = errors(f"{NOTIFIERS}\njobs:\n  a: {{shell: ls, every: 1h, alerts: {alerts}}}\n")

    assert f"3 jobs.a.{said}" in found
    assert alerts == "{notfy: ops}" or len(found) == 1


@pytest.mark.parametrize(
    ("notifier", "said"),
    [
        ("{}", "nothing to send with (write one of `apprise`, `http`, `command`, `shell`, `handler`)"),
        (
            "{shell: a, handler: a:b}",
            "`shell` and `handler` in one notifier; it sends with one thing (`alerts` may name several notifiers)",
        ),
        (
            "{apprise: 'tgram://secret'}",
            "the URL of a service holds secrets (put it into a variable of the environment, and write ${VAR})",
        ),
        ("{slack: x}", "unknown field"),
        (
            "{shell: a, title: '{jbo} failed'}",
            "ops.title: no field is named 'jbo'; did you mean {job}? (it may have `{alert}`, `{namespace}`, `{job}`",
        ),
        ("{shell: a, text: '50 % {'}", "ops.text: a single brace"),
        (
            "{http: {url: 'http://x', json: {a: b}}, text: '{job}'}",
            "ops.text: no effect beside a `json` of its own, which is sent instead",
        ),
        ("{text: '{job}'}", "nothing to send with"),
    ],
)
def test_a_notifier_sends_with_one_thing_and_holds_no_secret(notifier: str, said: str) -> None:
    found = errors(f"notifiers: {{ops: {notifier}}}\njobs: {{a: {{shell: ls, alerts: {{notify: ops}}}}}}\n")

    assert len(found) == 1
    assert said in found[0]


def test_a_notifier_has_words_of_its_own() -> None:
    text = "notifiers: {ops: {shell: mail, title: '{job}!', text: '{text}'}}\njobs: {a: {shell: ls, alerts: {notify: ops}}}"

    state = check_sources([Source("jobs.yaml", text.encode())]).state

    assert state is not None
    assert state.jobs["a"].alerts == Alerts((Notifier("ops", ShellHandler("mail"), "{job}!", "{text}"),))


def test_names_of_the_defaults_are_wrong_once_whatever_the_number_of_jobs() -> None:
    found = errors("defaults: {alerts: {notify: x}}\njobs: {a: {shell: ls}, b: {shell: ls}}\n")

    assert [line.partition(" (")[0] for line in found] == ["1 defaults.alerts.notify: no notifier is named 'x'"]


def test_a_notifier_of_another_file_is_known_and_two_of_one_name_are_refused() -> None:
    first = Source("a.yaml", f"{NOTIFIERS}\njobs: {{}}\n".encode())
    second = Source("b.yaml", b"jobs: {a: {shell: ls, alerts: {notify: ops}}}\n")
    third = Source("c.yaml", b"notifiers: {ops: {shell: x}}\njobs: {}\n")

    state = check_sources([first, second]).state
    twice = check_sources([first, second, third]).diagnostics

    assert state is not None
    assert state.jobs["a"].alerts == Alerts((OPS,))
    assert [(found.file, found.message) for found in twice] == [
        ("c.yaml", "this notifier stands in a.yaml too; a name is one notifier's")
    ]


def test_a_variable_that_the_environment_lacks_is_warned_about() -> None:
    text = f"{NOTIFIERS}\njobs: {{a: {{shell: ls, alerts: {{notify: chat}}}}}}\n"

    [found] = check_sources([Source("jobs.yaml", text.encode())], {}).diagnostics

    assert (found.severity, found.path) == ("warning", "jobs.a.alerts")
    assert found.message == "the environment has no variable CHAT_URL"
