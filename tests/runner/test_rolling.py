"""New code and new files come node by node: what the old node and the new one make of each other's work."""

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from jobsched.client import Client
from jobsched.config.load import load
from jobsched.handlers.registry import Registry
from jobsched.model.job import Concurrency
from jobsched.model.run import RunState
from jobsched.observe.listeners import Events
from jobsched.runner import dispatcher
from jobsched.runner.heartbeat import Heartbeat
from jobsched.runner.reload import Reload
from jobsched.runner.runner import Runner
from jobsched.runner.signature import signature
from jobsched.store.open import open_store
from jobsched.store.port import Store

if TYPE_CHECKING:
    from tests.runner.conftest import Bench

ONE = "version: 1\njobs:\n  a: {shell: 'true'}\n"
TWO = ONE.replace("true", "false")
THREE = ONE.replace("true", "exit 3")


# -- code


def an_old_node(bench: "Bench") -> Runner:
    """Beside those of the bench, one that has none of their handlers and no patience."""
    node = Runner(
        bench.client,
        options=replace(bench.nodes[0].options, unknown_handler_patience=timedelta(0)),
        registry=Registry(),
        namespaces=["default"],
    )
    node.start()
    bench.nodes.append(node)
    return node


def test_a_run_is_not_failed_while_a_living_node_that_may_know_its_handler_is_busy(bench: "Bench") -> None:
    begun, free = threading.Event(), threading.Event()

    @bench.handler
    def fresh(hold: bool = False) -> None:
        if hold:
            begun.set()
            free.wait(20)

    bench.declare("fresh", concurrency=Concurrency(policy="allow", limit=None))
    bench.node(threads=1)
    holding = bench.trigger("fresh", hold=True)
    assert begun.wait(20)
    old, left = an_old_node(bench), threading.Event()
    leave = old.dispatcher.leave_to_others
    old.dispatcher.leave_to_others = lambda handler: (leave(handler), left.set())  # type: ignore[method-assign,func-returns-value,assignment]

    waiting = bench.trigger("fresh")
    assert left.wait(20)
    bench.eventually(waiting, RunState.PENDING)
    free.set()

    assert bench.ended(waiting).state is RunState.SUCCEEDED
    assert bench.ended(holding).state is RunState.SUCCEEDED


def test_a_run_fails_once_every_living_node_has_said_that_it_lacks_its_handler(
    bench: "Bench", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "_LEFT_TO_OTHERS", timedelta(milliseconds=500))
    bench.declare("gone", handler="no_such_module_at_all:run")
    bench.node(unknown_handler_patience=timedelta(0))
    an_old_node(bench)

    run = bench.ended(bench.trigger("gone"))

    assert run.state is RunState.FAILED
    assert "no_such_module_at_all" in run.error[-1]["message"]


def test_a_node_tells_which_handlers_it_lacks_until_it_has_them(
    bench: "Bench", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "_LEFT_TO_OTHERS", timedelta(milliseconds=100))
    monkeypatch.syspath_prepend(tmp_path)
    bench.declare("late", handler="comes_late:run")
    node = bench.node()
    run_id, told, never = bench.trigger("late"), False, threading.Event()
    for _ in range(200):
        told = node.info().get("unknown_handlers") == ["comes_late:run"]
        if told:
            break
        never.wait(0.05)

    (tmp_path / "comes_late.py").write_text("def run(): ...\n")

    assert told
    assert bench.ended(run_id).state is RunState.SUCCEEDED
    assert "unknown_handlers" not in node.info()


# -- files


class Still:
    """What a reload asks of the heartbeat."""

    def wake(self) -> None: ...


class Deployment:
    """A node's file, and what applies it."""

    def __init__(self, file: Path, store: Store, text: str) -> None:
        self.file, self.store = file, store
        file.write_text(text)
        self.reload = Reload(store, cast("Heartbeat", Still()), [file], lambda _: None, Events())
        self.reload.begin(load([file], {}))

    def edited(self, text: str) -> None:
        self.file.write_text(text)
        self.reload(signature([self.file]))


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with closing(open_store(database_url)) as opened:
        yield opened


def applied(store: Store) -> list[str]:
    """The hashes of what was applied, oldest first."""
    return [generation.content_hash for generation in store.generations("default")][::-1]


def test_an_old_file_never_wins_over_a_new_one_however_often_it_is_read(store: Store, tmp_path: Path) -> None:
    old = Deployment(tmp_path / "old.yaml", store, ONE)
    new = Deployment(tmp_path / "new.yaml", store, TWO)
    hashes = [old.reload.content_hash, new.reload.content_hash]

    for _ in range(3):
        old.edited(ONE)
        new.edited(TWO)
        Deployment(tmp_path / "restarted.yaml", store, ONE)

    assert applied(store) == hashes
    assert (new.reload.stale, Client(store).job("a").job.handler) == (False, load([new.file], {}).jobs["a"].handler)


def test_the_old_node_goes_on_with_the_new_file_once_it_has_it(store: Store, tmp_path: Path) -> None:
    old = Deployment(tmp_path / "old.yaml", store, ONE)
    new = Deployment(tmp_path / "new.yaml", store, TWO)

    old.edited(TWO)
    old.edited(THREE)
    new.edited(THREE)

    assert len(applied(store)) == 3
    assert not old.reload.stale
    assert not new.reload.stale
