"""The page of metrics: names, kinds, labels and meanings from the declarations."""

from collections.abc import Iterator, Sequence

from jobsched.observe.metrics.cached import FRESH_SECONDS
from jobsched.observe.metrics.declared import DATABASE_METRICS, NODE_METRICS
from jobsched.observe.metrics.limits import MOST, OTHER
from jobsched.observe.metrics.metric import Metric
from jobsched.observe.metrics.rules import RULES

HEAD = f"""\
# Metrics

<!-- Written by `make reference` from the declarations; do not edit. -->

For Prometheus, and whatever reads its format. It needs an extra: `pip install "jobsched[metrics]"`.

```sh
jobsched run jobs.yaml --metrics 127.0.0.1:9464   # answers scrapes at /metrics as long as the node lives
jobsched metrics                                  # what the database tells, once
jobsched serve                                    # has that at /metrics too, for those with a token
jobsched metrics --rules > jobsched.rules.yaml    # alerting rules to begin with
```

```yaml
scrape_configs:
  - job_name: jobsched
    honor_labels: true                # only if something gives your targets a label `namespace` of its own
    static_configs: [{{targets: ["localhost:9464"]}}]
```

- **Who may ask.** Names of jobs, queues and handlers can be read by whoever reaches the address; there is no password. So it is a loopback address, unless the names that scrapes ask for are given: `--metrics 0.0.0.0:9464 --metrics-host node1.internal`. A request for another host name is refused, so that no web page can have your browser fetch it; one for an IP address is answered. `--metrics-host '*'` answers all. <!-- test_an_address_that_others_reach_is_refused_unless_hosts_are_named test_a_request_for_another_name_is_refused test_a_star_is_every_name -->
- **What it costs.** A node counts its own events, which takes some 50 µs of processor time a run; without `--metrics` nothing is counted and nothing made for it. The database is read only when a scrape asks, at most every {FRESH_SECONDS:g} s, and more seldom where that takes long, so that it is a twentieth of the time at most. <!-- test_a_database_is_not_read_again_while_its_figures_are_fresh test_figures_that_take_long_to_read_are_read_the_more_seldom -->
- **When the database is away**, the scrape is answered all the same: `jobsched_database_up` is 0, what the node knows stands there, and what the database would tell does not. <!-- test_a_scrape_is_answered_while_the_database_is_away test_a_scrape_does_not_wait_for_a_database_that_hangs -->
- **Several nodes** tell the same of the database, each as last read. Take the greatest of them, as below, never the sum.
- **`job_name`** is the job's name, and empty of ad-hoc runs, which have `handler` instead. It is not called `job`, since Prometheus gives each target a label of that name.
- **Bounds.** The first {MOST} jobs, handlers and queues that are seen have series of their own, the rest is `{OTHER}`: its counts are summed, its instants are the earliest, it fails if one does. <!-- test_beyond_the_limit_jobs_share_a_series test_jobs_that_share_a_series_show_the_earliest_instants_and_whether_one_fails -->
- **Counters begin at 0 when a node starts**, as Prometheus expects. What must survive that, the last success of a job and whether it fails, comes from the database and is there at the first scrape. <!-- test_what_the_database_has_is_there_at_the_first_scrape -->
- A job that never ran has no instants of runs rather than some in 1970: the rules below hold for it too. <!-- test_a_job_that_never_ran_has_no_instants_of_runs -->
- What handlers count with `prometheus_client`, in the node's process, stands below, as do `process_…` and `python_…`. <!-- test_metrics_of_handlers_stand_below_those_of_the_node -->
"""

PYTHON = """\
## In a program

```python
from prometheus_client import REGISTRY

from jobsched import Client, Runner
from jobsched.runner.metrics import NodeMetrics

runner = Runner(Client("sqlite:///jobsched.db"))
metrics = NodeMetrics(runner)  # before it starts: from now on its events are counted
REGISTRY.register(metrics)  # among the program's own, however it exposes them
text, content_type = metrics.text()  # or by itself
```

Without a runner, of the database alone: `DatabaseMetrics(client.store, [client.namespace])`, of `jobsched.observe.metrics.database_metrics`; keep it for all scrapes. <!-- test_a_program_without_a_node_tells_of_its_database -->
"""

QUERIES = """\
## Queries for a dashboard

| | |
|---|---|
| runs that end, per second, by state | `sum by (state) (rate(jobsched_runs_finished_total[5m]))` |
| share of runs that fail | `sum(rate(jobsched_runs_finished_total{state="failed"}[1h])) / sum(rate(jobsched_runs_finished_total[1h]))` |
| how long the slowest twentieth of a job's attempts takes | `histogram_quantile(0.95, sum by (job_name, le) (rate(jobsched_attempt_duration_seconds_bucket[1h])))` |
| how late slots begin | `histogram_quantile(0.95, sum by (le) (rate(jobsched_slot_late_seconds_bucket[15m])))` |
| what waits in the queues | `max by (queue, state) (jobsched_queue_runs{state!="running"})` |
| threads in use | `sum(jobsched_node_running_runs) / sum(jobsched_node_threads)` |
| jobs that fail now | `max by (job_name) (jobsched_job_failing) == 1` |
| hours since a job's last success | `(time() - max by (job_name) (jobsched_job_last_success_timestamp_seconds)) / 3600` |
| retries, by what attempts failed for | `sum by (reason) (rate(jobsched_retries_total[15m]))` |
| growth of the database in a day | `max(delta(jobsched_database_size_bytes[1d]))` |
"""


def page() -> str:
    parts = [
        HEAD,
        "## Of a node\n",
        "From its start on, and how it is at the moment of the scrape. Each has its target's labels besides.\n",
        *_table(NODE_METRICS),
        "## Of the database\n",
        "Of the namespaces that the node serves, or of the one that `jobsched metrics` is asked for.\n",
        *_table(DATABASE_METRICS),
        *_rules(),
        QUERIES,
        PYTHON,
    ]
    return "\n".join(parts).rstrip() + "\n"


def _table(metrics: Sequence[Metric]) -> Iterator[str]:
    yield "| metric | kind | labels | |"
    yield "|---|---|---|---|"
    for metric in metrics:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "-"
        yield f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |"
    yield ""


def _rules() -> Iterator[str]:
    yield "## Alerting rules\n"
    yield (
        "`jobsched metrics --rules` prints these as a rule file of Prometheus. They are a beginning: their bounds are guesses "
        "about your work. <!-- test_rules_speak_of_metrics_and_labels_that_there_are -->\n"
    )
    yield "| alert | for | when |"
    yield "|---|---|---|"
    for rule in RULES:
        yield f"| {rule.alert} | {rule.lasting} | `{rule.expr}` |"
    yield ""
