"""/api/events: what changes, as it is seen: runs, nodes, generations, pauses. A look each second, bounded, for showing."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from jobsched.client import Client
from jobsched.errors import StoreUnavailableError, UnknownRunError
from jobsched.model.report import generation_as_json, node_as_json, pause_as_json, run_as_json
from jobsched.model.run import Run, RunState
from jobsched.web.routes import TheClient, answers
from jobsched.web.streams import MEDIA_TYPE, Streams, event

router = APIRouter(prefix="/api", tags=["events"])

LOOK_SECONDS = 1.0
#: So many of the newest runs are looked at, and of those that run.
_MOST_RUNS = 200
#: What may be large is left out: whoever wants it asks for the run.
_LEFT_OUT = ("payload", "result", "error")


_EVENTS: dict[str, Any] = answers(None, "Events as they are seen.")
_EVENTS["responses"][200] = {
    "description": "Events as they are seen.",
    "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
}


@router.get("/events", **_EVENTS)
async def follow_events(request: Request, client: TheClient) -> Response:
    """Events: `ready` once, then `run` (new or changed; without payload, result and error), `node`, `node_left`,
    `generation` and `pauses`.

    Seen are the newest 200 runs and those that run; what comes and goes within a second may be missed.
    """
    streams: Streams = request.app.state.streams
    return streams.response(_follow(client, streams))


async def _follow(client: Client, streams: Streams) -> AsyncIterator[str]:
    watch = Watch(client)
    while True:
        try:
            seen = await run_in_threadpool(lambda: list(watch.look()))
        except StoreUnavailableError:
            seen = []
        for kind, data in seen:
            yield event(kind, data)
        if not seen:
            yield ""
        if await streams.pause(LOOK_SECONDS):
            return


class Watch:
    """What is new since the last look. The first one tells nothing but `ready`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._runs: dict[int, tuple[Any, ...]] | None = None
        self._nodes: dict[int, bool] = {}
        self._generation = 0
        self._pauses: list[Any] = []

    def look(self) -> Iterator[tuple[str, Any]]:
        """Kind and data of each event."""
        first = self._runs is None
        found = [*self._seen_runs(), *self._seen_nodes(), *self._seen_generations(), *self._seen_pauses()]
        if first:
            yield "ready", {"namespace": self._client.namespace}
        else:
            yield from found

    def _seen_runs(self) -> list[tuple[str, Any]]:
        before = self._runs or {}
        there = {run.id: run for run in self._client.runs(limit=_MOST_RUNS)}
        there |= {run.id: run for run in self._client.runs(states=[RunState.RUNNING], limit=_MOST_RUNS)}
        for run_id, version in before.items():
            if version[0] is RunState.RUNNING and run_id not in there and (run := self._again(run_id)) is not None:
                there[run_id] = run
        self._runs = {run.id: _version(run) for run in there.values()}
        changed = sorted(run_id for run_id, version in self._runs.items() if before.get(run_id) != version)
        return [("run", _short(there[run_id])) for run_id in changed]

    def _again(self, run_id: int) -> Run | None:
        try:
            return self._client.run(run_id)
        except UnknownRunError:
            return None

    def _seen_nodes(self) -> list[tuple[str, Any]]:
        nodes, before = {node.id: node for node in self._client.nodes()}, self._nodes
        self._nodes = {node.id: node.alive for node in nodes.values()}
        changed = [node for node in nodes.values() if before.get(node.id) != node.alive]
        left = [("node_left", {"id": node_id}) for node_id in before if node_id not in nodes]
        return [*(("node", node_as_json(node)) for node in changed), *left]

    def _seen_generations(self) -> list[tuple[str, Any]]:
        newer = [each for each in self._client.generations() if each.number > self._generation]
        if newer:
            self._generation = newer[0].number
        return [("generation", generation_as_json(each)) for each in reversed(newer)]

    def _seen_pauses(self) -> list[tuple[str, Any]]:
        before, self._pauses = self._pauses, [pause_as_json(pause) for pause in self._client.pauses()]
        return [] if self._pauses == before else [("pauses", self._pauses)]


def _version(run: Run) -> tuple[Any, ...]:
    return run.state, run.reason, run.attempt, run.available_at, run.started_at, run.finished_at, run.priority


def _short(run: Run) -> dict[str, Any]:
    return {name: value for name, value in run_as_json(run).items() if name not in _LEFT_OUT}
