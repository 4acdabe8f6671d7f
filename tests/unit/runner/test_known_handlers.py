"""Which handlers a node cannot perform, found out without keeping anybody waiting."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from jobsched.handlers.registry import Registry
from jobsched.model.desired import DesiredState, Settings
from jobsched.model.handler import PythonHandler
from jobsched.model.job import Job
from jobsched.observe.listeners import Events
from jobsched.runner.known_handlers import KnownHandlers
from jobsched.testing.clock import FakeClock


def desired(*handlers: str) -> DesiredState:
    jobs = {name: Job(namespace="default", name=name, handler=PythonHandler(name)) for name in handlers}
    return DesiredState(namespace="default", jobs=jobs, settings=Settings(), content_hash="1")


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """What the import of `slow_to_import` waits for."""
    (tmp_path / "slow_to_import.py").write_text(
        "import gate\ngate.reached.set()\ngate.opened.wait()\ndef run(): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    made = SimpleNamespace(reached=threading.Event(), opened=threading.Event())
    monkeypatch.setitem(sys.modules, "gate", made)
    yield made
    made.opened.set()
    sys.modules.pop("slow_to_import", None)


def test_a_handler_that_cannot_be_found_is_told_of_and_kept() -> None:
    known = KnownHandlers(FakeClock(), Registry(), Events())
    known.check(desired("nowhere.at.all:run", "json:dumps"))

    known.step()

    assert known.unknown == {"nowhere.at.all:run"}


def test_a_module_that_takes_long_to_import_is_named_once(
    gate: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    known = KnownHandlers(clock, Registry(), Events())
    known.check(desired("slow_to_import:run"))
    known.start()
    assert gate.reached.wait(20)

    known.say_if_slow()
    clock.advance(10)
    known.say_if_slow()
    known.say_if_slow()

    assert [record.message for record in caplog.records] == [
        "importing slow_to_import takes longer than 10 s; its jobs wait for that"
    ]
    gate.opened.set()
    known.stop()
    assert known.join(20)
