"""The same rules of runs as one function for PostgreSQL, which reads each CHECK of a table anew for every statement.

Eight of them were a third of what the server did to insert, claim or finish a single run. A function is read once a session.
It says which rule was broken, by the name that the rule had. Adding it looks at each run: some seconds a million. SQLite reads
rules once for each prepared statement.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_FINAL = "state in ('succeeded', 'failed', 'cancelled', 'skipped')"
_RULES = {
    "state_known": f"{_FINAL} or state in ('scheduled', 'pending', 'blocked', 'running')",
    "reason_known": "reason is null or reason in ('error', 'timeout', 'lost', 'cancelled', 'overlap', 'misfire', 'paused', "
    "'calendar', 'job_removed', 'replaced', 'coalesced')",
    "source_known": "source in ('slot', 'trigger', 'enqueue', 'backfill')",
    "final_is_finished": f"({_FINAL}) = (finished_at is not null)",
    "running_is_owned": "state <> 'running' or (node is not null and started_at is not null)",
    "slot_has_job": "scheduled_at is null or job is not null",
    "counts_not_negative": "attempt >= 0 and claim_no >= 0 and losses >= 0 and attempts_before >= 0",
    "covers_in_order": "(covers_first is null and covers_last is null) or covers_first <= covers_last",
}
_FUNCTION = """
create function jobsched_check_run(state text, reason text, source text, finished_at timestamptz, node bigint,
  started_at timestamptz, scheduled_at timestamptz, job text, attempt int, claim_no bigint, losses int, attempts_before int,
  covers_first timestamptz, covers_last timestamptz)
returns boolean language plpgsql immutable as $jobsched$
declare broken text;
begin
  if ({all_hold}) is not false then
    return true;
  end if;
  broken := 'jobsched_runs_' || case {first_broken} end;
  raise check_violation using message = 'a run breaks the rule ' || broken, constraint = broken,
    table = 'jobsched_runs';
end
$jobsched$
"""


def upgrade() -> None:
    if op.get_context().dialect.name != "postgresql":
        return
    op.execute(
        _FUNCTION.format(
            all_hold=" and ".join(f"({rule})" for rule in _RULES.values()),
            first_broken=" ".join(f"when not ({rule}) then '{name}'" for name, rule in _RULES.items()),
        )
    )
    for name in _RULES:
        op.drop_constraint(f"jobsched_runs_{name}", "jobsched_runs", type_="check")
    op.execute(
        """
alter table jobsched_runs add constraint jobsched_runs_sound check (jobsched_check_run(state, reason, source, finished_at, node,
  started_at, scheduled_at, job, attempt, claim_no, losses, attempts_before, covers_first, covers_last))
"""
    )
