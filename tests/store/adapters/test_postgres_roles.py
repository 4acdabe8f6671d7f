"""Roles that own nothing: what docs/production.md grants them is what a node and a reader need."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from jobsched.client import Client
from jobsched.errors import JobschedError
from jobsched.handlers.registry import Registry
from jobsched.model.run import RunState
from jobsched.runner.options import Options
from jobsched.runner.runner import Runner
from jobsched.store.open import open_store

GUIDE = Path(__file__).parents[3] / "docs" / "production.md"
ROLES = ("jobsched_owner", "jobsched_node", "jobsched_reader")


@pytest.fixture
def as_role(empty_postgres_url: str) -> Iterator[dict[str, str]]:
    """The URL of each role of the guide, its schema made by the owner."""
    blocks = re.findall(r"^```sql\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    statements = re.sub(r"--.*", "", "".join(blocks)).split(";")
    joined = "&" if "?" in empty_postgres_url else "?"
    urls = {role: f"{empty_postgres_url}{joined}options=-c%20role%3D{role}" for role in ROLES}
    with psycopg.connect(empty_postgres_url, autocommit=True) as admin:
        try:
            for statement in statements:
                if statement.strip() and "create database" not in statement:
                    admin.execute(statement)
            admin.execute("grant create on schema public to jobsched_owner")  # as the owner of the database has
            with closing(open_store(urls["jobsched_owner"])) as store:
                store.migrate()
            yield urls
        finally:
            for role in ROLES:
                dropped = sql.Identifier(role)
                admin.execute(sql.SQL("drop owned by {} cascade").format(dropped))
                admin.execute(sql.SQL("drop role {}").format(dropped))


def test_a_node_needs_no_more_than_the_rights_that_the_guide_grants(as_role: dict[str, str]) -> None:
    registry = Registry()
    registry.handler("greet")(lambda name: f"hello, {name}")
    with Client(as_role["jobsched_node"]) as client, Client(as_role["jobsched_reader"]) as reader:
        made = client.enqueue("greet", {"name": "ana"}, concurrency_key="one", unique_key="greet-ana")
        runner = Runner(client, registry=registry, options=Options(once=True))

        runner.start()
        failed = runner.wait_until_idle()
        saved = runner.shut_down()

        assert (failed, saved) == ([], True)
        seen = reader.run(made.id)
        assert (seen.state, seen.result) == (RunState.SUCCEEDED, "hello, ana")
        with pytest.raises(
            JobschedError, match=r"permission denied for table .* lacks that right: .*docs/production\.md"
        ):
            reader.enqueue("greet", {"name": "eve"})
        with pytest.raises(JobschedError, match="permission denied"):
            reader.delete(made.id)
