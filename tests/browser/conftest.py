"""The dashboard in a real browser: one headless Chromium for the session, and a node that serves pages in this process.

Where there is no Chromium the tests are skipped, and say so. JOBSCHED_TEST_CHROMIUM names one that is not on PATH.
"""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from jobsched.client import Client
from jobsched.config.load import check_sources
from jobsched.config.sources import Source
from jobsched.handlers.context import Context
from jobsched.handlers.registry import Registry
from jobsched.runner.options import Options
from jobsched.runner.runner import Runner
from jobsched.store.open import open_store
from jobsched.sync.apply import sync
from jobsched.web.access import Access, Role, Token
from jobsched.web.app import Web
from jobsched.web.server import Server, listen

T = TypeVar("T")
TOKEN = "a" * 40
PATIENCE_MS = 20_000
#: The one page that tests ask for and that there is not.
MISSING = "/jobs/nothing"
EVIL = "<script>window.broken = 1</script>"
JOBS = f"""
version: 1
settings: {{queues: {{mail: {{limit: 2}}}}}}
jobs:
  nightly-invoices: {{handler: report, cron: "30 2 * * *", description: Close the day, tags: [billing], owner: finance}}
  odd: {{handler: evil, description: "{EVIL}", payload: {{text: "{EVIL}"}}}}
  send: {{handler: report, queue: mail, every: 1h}}
"""
QUICK = Options(
    threads=2,
    heartbeat=timedelta(milliseconds=200),
    lease=timedelta(seconds=5),
    grace=timedelta(seconds=5),
    poll=timedelta(milliseconds=200),
)


class BrowserThread:
    """Playwright keeps a loop of its own turning in the thread that it was begun in; other tests begin theirs in the main one."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "browser")

    def __call__(self, act: Callable[[], T]) -> T:
        return self._pool.submit(act).result()


in_browser = BrowserThread()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool:
    """A test of this folder is performed where its browser is."""
    given = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    in_browser(lambda: pyfuncitem.obj(**given))
    return True


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    named = os.environ.get("JOBSCHED_TEST_CHROMIUM")
    program = named or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("NO CHROMIUM: the dashboard is not tested in a browser; install Debian's package chromium")

    def begin() -> tuple[Any, Browser]:
        playwright = sync_playwright().start()
        # As root, in a container, there is no sandbox to be had; and /dev/shm is small there.
        arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        return playwright, playwright.chromium.launch(executable_path=program, args=arguments)

    playwright, launched = in_browser(begin)
    yield launched
    in_browser(launched.close)
    in_browser(playwright.stop)


class Site:
    """A node and its pages. `go` lets its handlers go on."""

    def __init__(self, url: str, access: Access) -> None:
        self.client = Client(open_store(url))
        self.go, self._end = threading.Event(), threading.Event()
        loaded = check_sources([Source("jobs.yaml", JOBS.encode())])
        assert loaded.state is not None, loaded.diagnostics
        sync(self.client.store, loaded.state, applied_by="ann@desk")
        self._node = Runner(self.client, options=QUICK, registry=self._registry(), namespaces=["default"])
        self._node.start()
        self._server = Server(Web(self.client, access, patience=10), listen("127.0.0.1", 0))
        self._server.start()
        self.base = f"http://{self._server.address}"

    def _registry(self) -> Registry:
        registry = Registry()

        @registry.handler("report")
        def report(ctx: Context) -> None:
            ctx.log.info("\x1b[32mfirst line\x1b[0m")
            self.go.wait(60)
            ctx.progress(0.5, "half of it")
            ctx.log.info("second line")
            while not ctx.cancelled:
                self._end.wait(0.05)
            ctx.check()

        @registry.handler("evil")
        def evil(ctx: Context, text: str) -> None:
            ctx.log.info("\x1b[31m%s\x1b[0m \x1b]0;title\x07", text)
            raise ValueError(EVIL)

        return registry

    def close(self) -> None:
        self.go.set()
        self._server.stop()
        self._server.join()
        self._node.stop(hard=True)
        self._node.shut_down()
        self.client.store.close()


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    """With a token, on either database."""
    made = Site(database_url, Access(tokens=(Token("admin", Role.ADMIN, TOKEN),)))
    yield made
    made.close()


@pytest.fixture
def open_site(sqlite_url: str) -> Iterator[Site]:
    """Without a token, for what does not hang on the database."""
    made = Site(sqlite_url, Access())
    yield made
    made.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """It has asked no other host for anything, and its console has stayed empty."""
    complaints: list[str] = []

    def complain(what: str, where: str = "") -> None:
        # That a page is not there, it says itself; the browser says it once more.
        if not where.endswith(MISSING):
            complaints.append(what)

    def begin() -> Page:
        expect.set_options(timeout=PATIENCE_MS)
        opened = browser.new_page()
        opened.set_default_timeout(PATIENCE_MS)
        opened.on("console", lambda message: complain(f"console: {message.text}", message.location["url"]))
        opened.on("pageerror", lambda error: complain(f"error: {error}"))
        opened.on("dialog", lambda dialog: complain(f"dialog: {dialog.message}"))
        opened.on("request", lambda asked: None if _is_ours(asked.url) else complain(f"asked for {asked.url}"))
        return opened

    opened = in_browser(begin)
    yield opened
    in_browser(opened.close)
    assert complaints == []


def _is_ours(url: str) -> bool:
    return url.startswith("http://127.0.0.1:")
