"""Findings about nodes: whether there are any, their clocks, leases, threads, files and handlers."""

from collections.abc import Iterator
from datetime import timedelta

from jobsched.model.handler import PythonHandler
from jobsched.observe.doctor.finding import Facts, Finding, some

_SKEW = timedelta(seconds=1)


def alive(facts: Facts) -> Iterator[Finding]:
    """Whether anybody runs the jobs."""
    serving, dead = facts.serving, [node for node in facts.nodes if not node.alive]
    seen = {"alive": len(serving), "dead": len(dead)}
    if serving:
        versions = sorted({node.version for node in serving})
        yield Finding("ok", "nodes", f"{len(serving)} alive, {len(dead)} dead", seen=seen)
        if len(versions) > 1:
            what = f"nodes are of different versions: {some(versions)}"
            yield Finding("warning", "nodes", what, "upgrade the older ones", {"versions": versions})
    elif facts.jobs or facts.inspection.pending:
        what = f"no node is alive that serves namespace {facts.namespace}: nothing is run"
        yield Finding("warning", "nodes", what, "start one: jobsched run", seen)
    else:
        yield Finding("ok", "nodes", "no node is alive, and there is nothing to do", seen=seen)


def clocks(facts: Facts) -> Iterator[Finding]:
    """How far clocks are off the store's: times are corrected by it, but logs and handlers read their own."""
    skews = {"this machine": facts.machine.skew.total_seconds()}
    for node in facts.nodes:
        if node.alive:
            skews[f"node {node.id} on {node.host}"] = float(node.info.get("skew_seconds") or 0.0)
    off = {whose: seconds for whose, seconds in skews.items() if abs(seconds) > _SKEW.total_seconds()}
    for whose, seconds in off.items():
        way = "behind" if seconds > 0 else "ahead of"
        what = f"the clock of {whose} is {abs(seconds):.1f} s {way} the database's"
        yield Finding("warning", "clock", what, "have NTP set it", {"whose": whose, "skew_seconds": round(seconds, 3)})
    if not off:
        most = max(abs(seconds) for seconds in skews.values())
        yield Finding("ok", "clock", f"at most {most:.3f} s off", seen={"skew_seconds": round(most, 3)})


def leases(facts: Facts) -> Iterator[Finding]:
    """Running runs whose node is not alive: a living one gives them back."""
    orphans = facts.inspection.orphans
    for one in orphans:
        runs = f"{one.runs} running run{'' if one.runs == 1 else 's'}"
        what = f"node {one.node} is not alive and owns {runs}"
        seen = {"node": one.node, "runs": one.runs}
        if any(node.alive for node in facts.nodes):
            yield Finding("warning", "leases", what, "look again in half a minute: a living node gives them back", seen)
        else:
            yield Finding("error", "leases", what, "start a node, which gives them back: jobsched run", seen)
    if not orphans:
        yield Finding("ok", "leases", "every running run has a living node")


def threads(facts: Facts) -> Iterator[Finding]:
    """Threads that handlers do not give back."""
    lost = [node for node in facts.nodes if node.alive and node.info.get("abandoned_threads")]
    for node in lost:
        count = node.info["abandoned_threads"]
        what = f"node {node.id} on {node.host} has lost {count} of its threads to handlers that ignore their timeout"
        do = "give these jobs `executor: process`, or have them call ctx.check(); a restart frees the threads"
        yield Finding("warning", "threads", what, do, {"node": node.id, "abandoned": count})
    if not lost:
        yield Finding("ok", "threads", "no node has lost a thread to a handler")


def files(facts: Facts) -> Iterator[Finding]:
    """Whether this file, and those of the nodes, are what is applied."""
    findings = [*_this_file(facts), *_files_of_nodes(facts)]
    yield from findings
    if not findings:
        number = None if facts.newest is None else facts.newest.number
        what = "nothing was ever applied" if number is None else f"generation {number} is what everybody has"
        yield Finding("ok", "files", what, seen={"generation": number})


def _this_file(facts: Facts) -> Iterator[Finding]:
    machine, newest = facts.machine, facts.newest
    if machine.file_error is not None:
        first = machine.file_error.splitlines()[0]
        yield Finding("error", "files", f"the file is not valid: {first}", "see: jobsched validate")
    elif machine.file_hash is not None and (newest is None or newest.content_hash != machine.file_hash):
        applied = None if newest is None else newest.content_hash
        what = f"this file ({machine.file_hash[:12]}) is not the one applied ({applied[:12] if applied else 'none'})"
        seen = {"file": machine.file_hash, "applied": applied, "generation": newest and newest.number}
        yield Finding("warning", "files", what, "see what would change: jobsched plan", seen)


def _files_of_nodes(facts: Facts) -> Iterator[Finding]:
    for node in facts.serving:
        if error := node.info.get("error"):
            what = f"node {node.id} on {node.host} does not apply its file: {str(error).splitlines()[0]}"
            seen = {"node": node.id, "since": node.info.get("error_since")}
            yield Finding("error", "files", what, "correct the file; all of it: jobsched status", seen)
        elif node.info.get("stale"):
            what = f"the file of node {node.id} on {node.host} is older than what is applied"
            yield Finding("warning", "files", what, "bring it up to date there", {"node": node.id})


def handlers(facts: Facts) -> Iterator[Finding]:
    """Python handlers of jobs that no living node can import."""
    lacking = [set(node.info.get("unknown_handlers") or ()) for node in facts.serving]
    known_to_none = set.intersection(*lacking) if lacking else set()
    jobs: dict[str, list[str]] = {}
    for stored in facts.jobs:
        if isinstance(stored.job.handler, PythonHandler) and stored.job.handler.name in known_to_none:
            jobs.setdefault(stored.job.handler.name, []).append(stored.job.name)
    for name, of in sorted(jobs.items()):
        what = f"no living node can perform {name}, the handler of {some(of)}"
        do = "install its module where nodes run; `jobsched validate --handlers` there says what is wrong"
        yield Finding("error", "handlers", what, do, {"handler": name, "jobs": of})
    if not jobs and lacking:
        yield Finding("ok", "handlers", "each handler of a job is known to a living node")
