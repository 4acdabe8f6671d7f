"""All metrics there are, in the order in which they are shown. docs/metrics.md is written from them: `make reference`.

The label of a job is `job_name`: Prometheus gives each target a label `job` of its own, and renames ours if it is called so.
"""

from jobsched.observe.metrics.metric import Metric

#: What performs: a job, or the handler of an ad-hoc run; the other one is empty.
_WHO = ("namespace", "job_name", "handler")
_LATENCIES = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
_DURATIONS = (0.01, 0.05, 0.25, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)

# -- of a node: what happened on it since it started

ATTEMPTS_STARTED = Metric(
    name="jobsched_attempts_started_total", kind="counter", help="Attempts that began on this node.", labels=_WHO
)
RUNS_FINISHED = Metric(
    name="jobsched_runs_finished_total",
    kind="counter",
    help="Runs that this node ended, by their final state and its reason; also those of dead nodes that it failed.",
    labels=(*_WHO, "state", "reason"),
)
RETRIES = Metric(
    name="jobsched_retries_total",
    kind="counter",
    help="Attempts that failed and are followed by another, by what they failed for.",
    labels=(*_WHO, "reason"),
)
SNOOZES = Metric(
    name="jobsched_snoozes_total", kind="counter", help="Attempts whose handler asked to be called later.", labels=_WHO
)
GIVEN_BACK = Metric(
    name="jobsched_runs_given_back_total",
    kind="counter",
    help="Runs that were begun and are pending again: the node stopped, or cannot perform them.",
    labels=_WHO,
)
RESULTS_DROPPED = Metric(
    name="jobsched_results_dropped_total",
    kind="counter",
    help="Results that counted for nothing, since the node had lost the run.",
    labels=_WHO,
)
RUNS_SKIPPED = Metric(
    name="jobsched_runs_skipped_total",
    kind="counter",
    help="Skipped rows that this node recorded, by reason; one may stand for many slots.",
    labels=("namespace", "job_name", "reason"),
)
RUNS_LOST = Metric(
    name="jobsched_runs_lost_total",
    kind="counter",
    help="Runs of dead nodes that this node gave back or ended.",
    labels=("namespace", "job_name"),
)
NODES_LOST = Metric(name="jobsched_nodes_lost_total", kind="counter", help="Dead nodes that this node found.")
ATTEMPT_DURATION = Metric(
    name="jobsched_attempt_duration_seconds",
    kind="histogram",
    help="How long attempts took.",
    labels=_WHO,
    buckets=_DURATIONS,
)
SLOT_LATE = Metric(
    name="jobsched_slot_late_seconds",
    kind="histogram",
    help="How long after its slot the first attempt of a run began; jitter, limits and downtime are part of it.",
    labels=("namespace", "job_name"),
    buckets=_LATENCIES,
)
QUEUE_WAIT = Metric(
    name="jobsched_queue_wait_seconds",
    kind="histogram",
    help="How long after a run was available an attempt of it began.",
    labels=("namespace", "queue"),
    buckets=_LATENCIES,
)

# -- of a node: how it is

NODE_INFO = Metric(
    name="jobsched_node_info",
    kind="gauge",
    help="1; who this node is. It gets a new id at every start.",
    labels=("node_id", "host", "version"),
)
NODE_THREADS = Metric(name="jobsched_node_threads", kind="gauge", help="Handlers that may run at once.")
NODE_RUNNING = Metric(name="jobsched_node_running_runs", kind="gauge", help="Handlers that run.")
NODE_BUFFERED = Metric(
    name="jobsched_node_buffered_runs", kind="gauge", help="Runs that the node has claimed and no thread has begun."
)
NODE_UNWRITTEN = Metric(
    name="jobsched_node_unwritten_results", kind="gauge", help="Results that wait to be written to the database."
)
NODE_ABANDONED = Metric(
    name="jobsched_node_abandoned_threads",
    kind="gauge",
    help="Threads given up, since their handlers ignored their timeout, that have not ended.",
)
NODE_CONFIG_OK = Metric(
    name="jobsched_node_config_ok",
    kind="gauge",
    help="1 if the node's files are what runs, 0 if they are refused; no value without files.",
)
NODE_CONFIG_STALE = Metric(
    name="jobsched_node_config_stale",
    kind="gauge",
    help="1 if the node's files are older than the generation that runs; no value without files.",
)
NODE_GENERATION = Metric(
    name="jobsched_node_generation",
    kind="gauge",
    help="The generation that the node runs; 0 where nothing was synced.",
    labels=("namespace",),
)
NODE_SKEW = Metric(
    name="jobsched_node_clock_skew_seconds", kind="gauge", help="How far the machine's clock is from the database's."
)
NODE_HEARTBEAT_AGE = Metric(
    name="jobsched_node_heartbeat_age_seconds",
    kind="gauge",
    help="Since the heartbeat that last succeeded; at two thirds of the lease the node stops its handlers.",
)

# -- of the database: the same wherever it is asked

DATABASE_UP = Metric(
    name="jobsched_database_up",
    kind="gauge",
    help="1 if the database answered; if it is 0, what follows has no values.",
)
DATABASE_READ = Metric(
    name="jobsched_database_read_seconds", kind="gauge", help="How long it took to read these figures."
)
DATABASE_SIZE = Metric(
    name="jobsched_database_size_bytes",
    kind="gauge",
    help="The SQLite file, or all tables of jobsched with their indexes.",
)
DATABASE_WAL = Metric(
    name="jobsched_database_wal_size_bytes", kind="gauge", help="The log beside an SQLite file; no value on PostgreSQL."
)
TABLE_ROWS = Metric(
    name="jobsched_table_rows",
    kind="gauge",
    help="PostgreSQL's estimate of the rows of a table; no value on SQLite.",
    labels=("table",),
)
TABLE_DEAD_ROWS = Metric(
    name="jobsched_table_dead_rows",
    kind="gauge",
    help="PostgreSQL's estimate of rows that vacuum is to clean up; no value on SQLite.",
    labels=("table",),
)
TABLE_SIZE = Metric(
    name="jobsched_table_size_bytes",
    kind="gauge",
    help="A table with its indexes; no value on SQLite.",
    labels=("table",),
)
NODES = Metric(
    name="jobsched_nodes",
    kind="gauge",
    help="Nodes that serve a namespace: alive, or dead within the last days. One that ended in order is not among them.",
    labels=("namespace", "state"),
)
GENERATION = Metric(
    name="jobsched_generation",
    kind="gauge",
    help="The newest generation; 0 where nothing was synced.",
    labels=("namespace",),
)
JOBS = Metric(name="jobsched_jobs", kind="gauge", help="Declared jobs.", labels=("namespace",))
PAUSES = Metric(
    name="jobsched_pauses",
    kind="gauge",
    help="Pauses that stand; of scope all: 1 if the whole namespace is paused.",
    labels=("namespace", "scope"),
)
QUEUE_RUNS = Metric(
    name="jobsched_queue_runs",
    kind="gauge",
    help="Unfinished runs of a queue by state: scheduled, pending, blocked, running.",
    labels=("namespace", "queue", "state"),
)
QUEUE_LIMIT = Metric(
    name="jobsched_queue_limit",
    kind="gauge",
    help="How many runs of a queue may run at once, where it has a limit.",
    labels=("namespace", "queue"),
)
QUEUE_OLDEST = Metric(
    name="jobsched_queue_oldest_pending_seconds",
    kind="gauge",
    help="Since the oldest pending run of a queue came due; 0 if none is pending.",
    labels=("namespace", "queue"),
)
JOB_LAST_RUN = Metric(
    name="jobsched_job_last_run_timestamp_seconds",
    kind="gauge",
    help="When a job's newest run was made, skipped ones aside; no value if history has none.",
    labels=("namespace", "job_name"),
)
JOB_LAST_SUCCESS = Metric(
    name="jobsched_job_last_success_timestamp_seconds",
    kind="gauge",
    help="When the newest run of a job that succeeded ended; no value if history has none.",
    labels=("namespace", "job_name"),
)
JOB_FAILING = Metric(
    name="jobsched_job_failing",
    kind="gauge",
    help="1 if the newest run of a job that succeeded or failed has failed, else 0.",
    labels=("namespace", "job_name"),
)
JOB_NEXT_SLOT = Metric(
    name="jobsched_job_next_slot_timestamp_seconds",
    kind="gauge",
    help="The next slot of a job; no value if it has none, is suspended or paused. In the past: nobody has fired it.",
    labels=("namespace", "job_name"),
)

NODE_METRICS = (
    ATTEMPTS_STARTED,
    RUNS_FINISHED,
    RETRIES,
    SNOOZES,
    GIVEN_BACK,
    RESULTS_DROPPED,
    RUNS_SKIPPED,
    RUNS_LOST,
    NODES_LOST,
    ATTEMPT_DURATION,
    SLOT_LATE,
    QUEUE_WAIT,
    NODE_INFO,
    NODE_THREADS,
    NODE_RUNNING,
    NODE_BUFFERED,
    NODE_UNWRITTEN,
    NODE_ABANDONED,
    NODE_CONFIG_OK,
    NODE_CONFIG_STALE,
    NODE_GENERATION,
    NODE_SKEW,
    NODE_HEARTBEAT_AGE,
)
DATABASE_METRICS = (
    DATABASE_UP,
    DATABASE_READ,
    DATABASE_SIZE,
    DATABASE_WAL,
    TABLE_ROWS,
    TABLE_DEAD_ROWS,
    TABLE_SIZE,
    NODES,
    GENERATION,
    JOBS,
    PAUSES,
    QUEUE_RUNS,
    QUEUE_LIMIT,
    QUEUE_OLDEST,
    JOB_LAST_RUN,
    JOB_LAST_SUCCESS,
    JOB_FAILING,
    JOB_NEXT_SLOT,
)
METRICS = (*NODE_METRICS, *DATABASE_METRICS)
