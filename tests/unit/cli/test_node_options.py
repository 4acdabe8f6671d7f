"""What a node is told of what the file says."""

from jobsched.cli.node_options import inheritance_of, options_of
from jobsched.config.load import check_sources
from jobsched.config.sources import Source
from jobsched.model.queue import QueueLimits


def test_a_node_keeps_the_shares_of_its_file_and_leaves_the_limits_to_the_store() -> None:
    text = b"settings: {queues: {mail: {threads: 2}, night: {limit: 3}, both: {limit: 5, threads: 1}}}\njobs: {}\n"
    state = check_sources([Source("jobs.yaml", text)]).state
    assert state is not None

    options = options_of(state.settings, threads=None, queues=None, once=False)

    assert options.queue_threads == {"mail": 2, "both": 1}
    assert state.settings.queues == {"night": QueueLimits(limit=3), "both": QueueLimits(limit=5)}


def test_commands_inherit_neither_the_databases_parts_nor_the_tokens_of_the_api() -> None:
    text = (
        b'settings: {database: "postgresql://u:${PGPASS}@h/d", api: {tokens: {admin: "${ADMIN}", read: "${LOOK}"}}}\n'
        b"jobs: {}\n"
    )
    state = check_sources([Source("jobs.yaml", text)]).state
    assert state is not None

    assert inheritance_of(state.settings).withheld == {"PGPASS", "ADMIN", "LOOK"}
