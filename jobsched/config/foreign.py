"""How other schedulers spell what jobs.yaml can say: each of their names, and ours."""

from difflib import get_close_matches

from jobsched.config import unsupported
from jobsched.config.schema import DEFAULTS, JOB, SETTINGS

_JOB = {
    # cron and its descendants, Kubernetes, CI systems
    "schedule": "write `cron`, `every` or `at`",
    "schedules": "write `cron`; it takes a list too",
    "crontab": "write `cron`",
    "cronexpression": "write `cron`",
    "cronschedule": "write `cron`",
    "expression": "write `cron`",
    "when": "write `cron`, `every` or `at`",
    "trigger": "write `cron`, `every` or `at`",
    "on": "write `cron`, `every` or `at`",
    "interval": "write `every`",
    "period": "write `every`",
    "frequency": "write `every`",
    "rrule": "write `cron`",
    "seconds": "write `every: 30s`",
    "minutes": "write `every: 5m`",
    "hours": "write `every: 1h`",
    "days": "write `every: 1d`, or `cron` for a time of day",
    "minute": "write `cron`",
    "hour": "write `cron`",
    "dayofmonth": "write `cron`",
    "dayofweek": "write `cron`",
    "monthofyear": "write `cron`",
    "rundate": "write `at`",
    "runat": "write `at`",
    "date": "write `at`",
    "eta": "write `at`",
    "once": "write `at`",
    "startdate": "write `start_at`",
    "starttime": "write `start_at`",
    "starts": "write `start_at`",
    "enddate": "write `end_at`",
    "endtime": "write `end_at`",
    "until": "write `end_at`",
    "end": "write `end_at`",
    "start": "write `start_at`",
    "scheduleinterval": "write `cron` or `every`",
    "expires": "write `end_at` for the schedule, `starting_deadline` for a slot",
    "tz": "write `timezone`",
    "zone": "write `timezone`",
    "utc": "write `timezone: UTC`",
    "splay": "write `jitter`",
    "randomdelay": "write `jitter`",
    "randomizeddelaysec": "write `jitter`",
    # what is performed
    "task": "write `handler`",
    "func": "write `handler`",
    "function": "write `handler`",
    "callable": "write `handler`",
    "target": "write `handler`",
    "class": "write `handler`",
    "python": "write `handler`",
    "entrypoint": "write `handler`",
    "cmd": "write `command` (a list of words) or `shell` (a text)",
    "run": "write `command` (a list of words) or `shell` (a text)",
    "exec": "write `command` (a list of words) or `shell` (a text)",
    "execute": "write `command` (a list of words) or `shell` (a text)",
    "argv": "write `command`",
    "script": "write `shell`",
    "bash": "write `shell`",
    "sh": "write `shell`",
    "url": "write `http: {url: …}`",
    "uri": "write `http: {url: …}`",
    "webhook": "write `http: {url: …}`",
    "method": "write it inside `http`",
    "headers": "write it inside `http`",
    "args": "write `payload`, by the names of the parameters",
    "arguments": "write `payload`, by the names of the parameters",
    "kwargs": "write `payload`",
    "params": "write `payload`",
    "parameters": "write `payload`",
    "input": "write `payload`",
    "data": "write `payload`",
    "environment": "write `env`",
    "envvars": "write `env`",
    "variables": "write `env`",
    "workdir": "write `cwd`",
    "workingdir": "write `cwd`",
    "workingdirectory": "write `cwd`",
    "chdir": "write `cwd`",
    "dir": "write `cwd`",
    "directory": "write `cwd`",
    "username": "write `user`",
    "runas": "write `user`",
    # overlap, missed slots
    "concurrencypolicy": "write `concurrency: allow`, `forbid`, `replace` or `queue`",
    "maxinstances": "write `concurrency: 3`, the number",
    "maxconcurrency": "write `concurrency: 3`, the number",
    "maxconcurrent": "write `concurrency: 3`, the number",
    "maxparallel": "write `concurrency: 3`, the number",
    "maxrunning": "write `concurrency: 3`, the number",
    "maxactiveruns": "write `concurrency: 3`, the number",
    "parallelism": "write `concurrency: 3`, the number",
    "overlap": "write `concurrency`",
    "overlappolicy": "write `concurrency`",
    "allowoverlap": "write `concurrency: allow` or `forbid`",
    "nooverlap": "write `concurrency: forbid`",
    "lock": "write `concurrency`",
    "singleton": "write `concurrency: forbid`",
    "unique": "write `concurrency: forbid`",
    "startingdeadlineseconds": "write `starting_deadline`",
    "startingdeadline": "write `starting_deadline`",
    "misfiregracetime": "write `starting_deadline` for one slot, `catch_up` for what was missed",
    "misfire": "write `catch_up`",
    "misfirepolicy": "write `catch_up`",
    "misfireinstruction": "write `catch_up`",
    "coalesce": "write `catch_up: latest` (one run for all that was missed) or `all`",
    "catchup": "write `catch_up: skip`, `latest` or `all`",
    "backfill": "write `catch_up: all`",
    "persistent": "write `catch_up: latest`",
    **dict.fromkeys(
        ("dependson", "needs", "after", "next", "then", "onsuccess", "link", "chain"),
        "jobs do not follow each other; let the handler trigger or enqueue the next one by its `ctx.client`",
    ),
    "ratelimit": "write `rate` of its queue: `settings: {queues: {NAME: {rate: 10/1m}}}`",
    "rate": "write `rate` of its queue: `settings: {queues: {NAME: {rate: 10/1m}}}`",
    # attempts
    "retry": "write `retries`",
    "retrypolicy": "write `retries`",
    "maxretries": "write `retries`",
    "maxattempts": "write `retries`, one less: attempts after the first",
    "attempts": "write `retries`, one less: attempts after the first",
    "backofflimit": "write `retries`",
    "backoff": "write `retries: {backoff: …}`",
    "retrydelay": "write `retries: {delay: …}`",
    "retryinterval": "write `retries: {delay: …}`",
    "retrybackoff": "write `retries: {backoff: …}`",
    "defaultretrydelay": "write `retries: {delay: …}`",
    "activedeadlineseconds": "write `timeout`",
    "timeoutseconds": "write `timeout`",
    "executiontimeout": "write `timeout`",
    "timelimit": "write `timeout`",
    "softtimelimit": "write `timeout`",
    "jobtimeout": "write `timeout`",
    "maxruntime": "write `timeout`",
    "deadline": "write `timeout` for an attempt, `starting_deadline` for its start",
    "killtimeout": "write `timeout: {after: …, kill_after: …}`",
    "terminationgraceperiodseconds": "write `timeout: {after: …, kill_after: …}`",
    "ackslate": "write `on_crash: retry`",
    "restartpolicy": "write `retries`, and `on_crash` for a dead node",
    "onfailed": "write `on_failure`",
    "onerror": "write `on_failure`",
    "notify": "write `alerts: {notify: …}`",
    "alert": "write `alerts`",
    "notifications": "write `alerts`",
    "sla": "write it inside `alerts`",
    "throttle": "write it inside `alerts`",
    # the rest
    "enabled": "write `suspend: true` to switch a job off",
    "enable": "write `suspend: true` to switch a job off",
    "active": "write `suspend: true` to switch a job off",
    "disabled": "write `suspend`",
    "disable": "write `suspend`",
    "paused": "write `suspend`; a pause at run time is `jobsched pause`",
    "pause": "write `suspend`; a pause at run time is `jobsched pause`",
    "suspended": "write `suspend`",
    "successfuljobshistorylimit": "write `history: {success: …}`",
    "failedjobshistorylimit": "write `history: {failed: …}`",
    "historylimit": "write `history`",
    "retention": "write `history`",
    "ttlsecondsafterfinished": "write `history: {max_age: …}`",
    "resultttl": "write `history: {max_age: …}`",
    "keepresult": "write `history: {max_age: …}`",
    "queuename": "write `queue`",
    "routingkey": "write `queue`",
    "labels": "write `tags`",
    "tag": "write `tags`",
    "annotations": "write `tags` or `description`",
    "comment": "write `description`",
    "desc": "write `description`",
    "title": "write `description`",
    "summary": "write `description`",
    "name": "the job's name is the key it stands under",
    "id": "the job's name is the key it stands under",
    "jobid": "the job's name is the key it stands under",
    "maintainer": "write `owner`",
    "team": "write `owner`",
    "processpool": "write `executor: process`",
    "holidays": "write `calendar`",
    "image": "jobsched starts no containers; write a `command` that does",
    "jobtemplate": "write the job's fields right under its name",
    "spec": "write the job's fields right under its name",
    "metadata": "write the job's fields right under its name",
}
_FILE = {
    "job": "write `jobs`",
    "tasks": "write `jobs`",
    "schedules": "write `jobs`",
    "schedule": "write `jobs`",
    "cronjobs": "write `jobs`",
    "crons": "write `jobs`",
    "beatschedule": "write `jobs`",
    "default": "write `defaults`",
    "config": "write `settings`",
    "configuration": "write `settings`",
    "options": "write `settings`",
    "global": "write `settings` or `defaults`",
    "calendar": "write `calendars`",
    "holidays": "write `calendars`",
    "timezone": "write it under `defaults`",
    "tz": "write `timezone` under `defaults`",
    "database": "write it under `settings`",
    "threads": "write it under `settings`",
    "include": "give several PATHs, or a folder, instead",
    "includes": "give several PATHs, or a folder, instead",
    "imports": "write it under `settings`",
    "environment": "write `env` under `defaults`",
    "env": "write it under `defaults`",
    "project": "write `namespace`",
    "apiversion": "this is no Kubernetes object; write `version: 1` and `jobs`",
    "kind": "this is no Kubernetes object; write `version: 1` and `jobs`",
    "spec": "this is no Kubernetes object; write `version: 1` and `jobs`",
    "metadata": "this is no Kubernetes object; write `namespace` and `jobs`",
}
_SETTINGS = {
    "db": "write `database`",
    "databaseurl": "write `database`",
    "dsn": "write `database`",
    "url": "write `database`",
    "brokerurl": "write `database`",
    "broker": "write `database`",
    "jobstores": "write `database`",
    "workers": "write `threads`",
    "concurrency": "write `threads`",
    "maxworkers": "write `threads`",
    "executors": "write `threads`",
    "include": "write `imports`",
    "modules": "write `imports`",
    "timezone": "write it under `defaults`",
    "retries": "write it under `defaults`",
    "timeout": "write it under `defaults`",
    "shutdowntimeout": "write `grace`",
    "graceperiod": "write `grace`",
    "pollinterval": "write `poll`",
    "retention": "write `history`",
    "logformat": "write `log_format`",
    "logging": "write `log_format`",
}
_RETRIES = {
    **dict.fromkeys(("count", "retries", "limit", "maxretries", "times"), "write `max`"),
    **dict.fromkeys(("attempts", "maxattempts"), "write `max`, one less: attempts after the first"),
    **dict.fromkeys(("wait", "interval", "countdown", "initialdelay", "min"), "write `delay`"),
    **dict.fromkeys(("multiplier", "base", "rate"), "write `factor`"),
    **dict.fromkeys(("maxbackoff", "maxwait", "cap", "maximum"), "write `max_delay`"),
    **dict.fromkeys(("strategy", "type", "policy"), "write `backoff`"),
}
_TIMEOUT = {
    **dict.fromkeys(("seconds", "limit", "hard", "soft", "duration"), "write `after`"),
    **dict.fromkeys(("kill", "grace"), "write `kill_after`"),
}
_CONCURRENCY = {
    **dict.fromkeys(("max", "maxinstances", "count", "size"), "write `limit`"),
    **dict.fromkeys(("group", "name"), "write `key`"),
    **dict.fromkeys(("mode", "strategy", "cancelinprogress"), "write `policy`"),
}
_HISTORY = {
    **dict.fromkeys(("succeeded", "successful"), "write `success`"),
    **dict.fromkeys(("failure", "failures"), "write `failed`"),
    **dict.fromkeys(("age", "ttl", "days", "keep"), "write `max_age`"),
}
_HTTP = {
    **dict.fromkeys(("body", "data", "payload"), "write `json`"),
    **dict.fromkeys(("verb",), "write `method`"),
    **dict.fromkeys(("status", "expected", "expectstatus"), "write `expect`"),
    **dict.fromkeys(("timeout",), "write it as the job's `timeout`"),
}
_OF_A_JOB_ALONE = frozenset({"handler", "command", "shell", "http", "cron", "every", "at", "description"})
_GROUPS = {
    "job": _JOB,
    "defaults": _JOB,
    "file": _FILE,
    "settings": _SETTINGS,
    "retries": _RETRIES,
    "timeout": _TIMEOUT,
    "concurrency": _CONCURRENCY,
    "history": _HISTORY,
    "http": _HTTP,
}


def advice(group: str, key: str, valid: tuple[str, ...]) -> str:
    """What to write instead of an unknown key of this group (`job`, `settings`, `retries` …), and if that is refused too."""
    text = _advice(group, key, valid)
    later = [f"`{each}`" for each in unsupported.spellings(group) if f"`{each}`" in text or f"`{each}: " in text]
    if not later:
        return text
    if text.endswith(later[0]):
        return f"{text}, which is not supported yet"
    return f"{text}{'' if text.endswith('?') else ';'} {' and '.join(later)} {'is' if len(later) == 1 else 'are'} not supported yet"


def _advice(group: str, key: str, valid: tuple[str, ...]) -> str:
    plain = key.lower().replace("_", "").replace("-", "")
    same = next((each for each in valid if each.replace("_", "") == plain), None)
    if same is not None:
        return f"write `{same}`"
    known = _GROUPS.get(group, {}).get(plain)
    if known is not None:
        return known
    if group == "file" and (place := _place_in_file(key)):
        return place
    if group == "defaults" and key in _OF_A_JOB_ALONE:
        return "each job has its own; write it in the job"
    nearest = get_close_matches(key.lower(), valid, n=1)
    if nearest:
        return f"did you mean `{nearest[0]}`?"
    # Nobody reads thirty names at the end of a line.
    if len(valid) > _MOST_NAMED:
        named = sorted(valid, key=lambda name: name not in _NAMED_FIRST)[:_MOST_NAMED]
        return f"known here: {', '.join(named)} … {len(valid)} in all, see: jobsched schema"
    return f"known here: {', '.join(valid)}"


def _place_in_file(key: str) -> str:
    """Where a key that stands at the left margin belongs, if any place has it."""
    if key in DEFAULTS.fields:
        return "write it under `defaults`"
    if key in SETTINGS.fields:
        return "write it under `settings`"
    if key in JOB.fields:
        return "write it in a job, below the job's name"
    return "an anchor may stand at its first use; keys of your own have no place" if key.startswith("x-") else ""


_MOST_NAMED = 8
#: What a job cannot be without comes before what it may have besides.
_NAMED_FIRST = frozenset({"handler", "command", "shell", "http", "cron", "every", "at"})
