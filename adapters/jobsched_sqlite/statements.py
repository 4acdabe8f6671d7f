"""SQLite's own statements: loops of small ones by id, which here are faster and steadier than joins with JSON.

Parameters are `?`, or `:name` where one stands twice: Python's driver refuses numbered ones from 3.14 on.
"""

_INSERT = """
insert into jobsched_runs
  (id, namespace, job, handler, source, queue, priority, state, reason, max_attempts, scheduled_at, available_at,
   start_by, finished_at, generation, concurrency_key, unique_key, payload, covers_first, covers_last,
   covers_count, created_at, timeout_ms, unique_until, tags, batch, trace)
"""
#: All runs that are alike, one for each payload, with ids from the first parameter on. In one step, since SQLite
#: makes the lists of allowed states and sources, which the rules of the table name, anew in each.
INSERT_RUNS = (
    _INSERT
    + """
select :first + key, :namespace, :job, :handler, :source, :queue, :priority, :state, :reason, :max_attempts, :scheduled_at,
  :available_at, :start_by, :finished_at, :generation, :concurrency_key, :unique_key, value, :covers_first, :covers_last,
  :covers_count, :created_at, :timeout_ms, :unique_until, :tags, :batch, :trace
from json_each(:payloads) where true
on conflict do nothing
"""
)
#: The same where each record has one payload, as slots have: reading it out of a list would take half the time.
INSERT_EACH = (
    _INSERT
    + """
values (:first, :namespace, :job, :handler, :source, :queue, :priority, :state, :reason, :max_attempts, :scheduled_at,
  :available_at, :start_by, :finished_at, :generation, :concurrency_key, :unique_key, :payload, :covers_first, :covers_last,
  :covers_count, :created_at, :timeout_ms, :unique_until, :tags, :batch, :trace)
on conflict do nothing
"""
)

#: One that is due at once and that nothing can keep out, of a queue without any limit: else none is inserted. It commits by
#: itself, and asks for the time once (for which it has a LIMIT), when it has the file: another program may have had it for
#: long. INSERT is its first word: else Python's driver does not say how many it inserted.
INSERT_ONE = """
insert into jobsched_runs
  (namespace, job, handler, source, queue, priority, state, max_attempts, available_at, start_by, generation, payload,
   created_at, timeout_ms, batch, trace)
select ?, ?, ?, ?, ?, ?, 'pending', ?, now, ?, ?, ?, now, ?, ?, ? from (select jobsched_now() as now limit 1)
where not exists (select 1 from jobsched_queues where namespace = ? and queue = ?)
"""

#: Those alike that nothing can keep out, straight from the JSON of their payloads.
INSERT_ALIKE = """
insert into jobsched_runs
  (id, namespace, job, handler, source, queue, priority, state, max_attempts, available_at, start_by, generation, payload,
   created_at, timeout_ms, tags, batch, trace)
select :first + key, :namespace, :job, :handler, :source, :queue, :priority, :state, :max_attempts, :available_at, :start_by,
  :generation, value, :created_at, :timeout_ms, :tags, :batch, :trace
from json_each(:payloads) where true
"""

#: Which of the ids just given have a row.
INSERTED = "select id from jobsched_runs where id > ?"

#: What a trigger does elsewhere: see `jobsched_sql/run_tags.py`.
INDEX_TAGS = """
insert into jobsched_run_tags (namespace, tag, run_id)
select distinct r.namespace, tag.value, r.id from jobsched_runs r, json_each(r.tags) tag
where r.id > ? and r.tags is not null
"""

#: The highest id ever given. AUTOINCREMENT keeps it, so that none is used twice, deleted runs included.
LAST_ID = "select coalesce((select seq from sqlite_sequence where name = 'jobsched_runs'), 0)"

SLOT_TAKEN = """
select f.value from json_each(?) f
where exists (select 1 from jobsched_runs r
              where r.namespace = json_extract(f.value, '$[0]') and r.job = json_extract(f.value, '$[1]')
                and r.scheduled_at = json_extract(f.value, '$[2]') and r.scheduled_at is not null)
"""

ADD_KEY = "insert into jobsched_keys (namespace, key, max_running) values (?, ?, ?) on conflict do nothing"
SET_KEY = """
insert into jobsched_keys (namespace, key, max_running) values (?, ?, ?)
on conflict (namespace, key) do update set max_running = excluded.max_running
"""

KEY_LIMITS = """
select k.namespace, k.key, k.max_running from json_each(?) f
cross join jobsched_keys k on k.namespace = json_extract(f.value, '$[0]') and k.key = json_extract(f.value, '$[1]')
"""

#: The conditions are those of the partial indexes, word for word.
LOADS = """
select f.namespace, f.key,
  (select count(*) from (select 1 from jobsched_runs r
     where r.state in ('pending', 'running') and r.concurrency_key is not null
       and r.namespace = f.namespace and r.concurrency_key = f.key
     union all select 1 from jobsched_runs r
     where r.abandoned_by is not null and r.namespace = f.namespace and r.concurrency_key = f.key limit :enough)),
  (select count(*) from (select 1 from jobsched_runs r
     where r.state = 'blocked' and r.namespace = f.namespace and r.concurrency_key = f.key limit :enough)),
  (select count(*) from (select 1 from jobsched_runs r
     where r.state = 'scheduled' and r.concurrency_key is not null and (r.claim_no > 0 or r.source = 'slot')
       and r.namespace = f.namespace and r.concurrency_key = f.key limit :enough))
from (select json_extract(value, '$[0]') as namespace, json_extract(value, '$[1]') as key from json_each(:keys)) f
"""

#: Whether it limits what starts, and what waits.
LIMITED_QUEUES = """
select namespace, queue, max_running is not null or rate is not null, max_queued is not null from jobsched_queues
"""

UNBLOCK = """
update jobsched_runs set state = 'pending' where id in (
  select id from jobsched_runs where state = 'blocked' and namespace = ? and concurrency_key = ?
  order by priority, available_at, id limit ?)
"""

#: The keys of these runs under which others are blocked. Where nothing is blocked, in any namespace, no run is looked at.
FREED_KEYS = """
select distinct namespace, concurrency_key from jobsched_runs r
where id in (select value from json_each(
    case when exists (select 1 from jobsched_runs where state = 'blocked' and namespace >= '') then ? else '[]' end))
  and concurrency_key is not null and exists (
    select 1 from jobsched_runs b
    where b.state = 'blocked' and b.namespace = r.namespace and b.concurrency_key = r.concurrency_key)
"""

#: Whether queues of their namespaces limit what starts; and the blocked runs that these keys have places for, the oldest of each.
#: All in one row: a step a key would ask each time for Python's lock, which the handlers hold. `materialized`: else JSON is
#: read, and runs are counted, anew wherever a column is named. A LIMIT cannot name a column of another table, so of each key as
#: many are looked at as the one with the most places has.
ADMISSIBLE = """
with wanted as materialized (
  select json_extract(value, '$[0]') as namespace, json_extract(value, '$[1]') as key,
    json_extract(value, '$[2]') as reference
  from json_each(?)),
places as materialized (
  select w.namespace, w.key, coalesce(
      (select k.max_running from jobsched_keys k where k.namespace = w.namespace and k.key = w.reference),
      (select k.max_running from jobsched_keys k where k.namespace = w.namespace and k.key = w.key), 1)
    - (select count(*) from jobsched_runs r
       where r.state in ('pending', 'running') and r.concurrency_key is not null
         and r.namespace = w.namespace and r.concurrency_key = w.key)
    - (select count(*) from jobsched_runs r
       where r.abandoned_by is not null and r.namespace = w.namespace and r.concurrency_key = w.key) as free
  from wanted w
  where exists (select 1 from jobsched_runs r
    where r.state = 'blocked' and r.namespace = w.namespace and r.concurrency_key = w.key)),
oldest as materialized (
  select free, (
    select json_group_array(id) from (
      select id from jobsched_runs r
      where r.state = 'blocked' and r.namespace = places.namespace and r.concurrency_key = places.key
      order by r.priority, r.available_at, r.id limit (select max(free) from places))) as ids
  from places where free > 0)
select
  exists (select 1 from jobsched_queues where (max_running is not null or rate is not null)
    and namespace in (select namespace from wanted)),
  (select group_concat(run.value) from oldest cross join json_each(oldest.ids) run where run.key < oldest.free)
"""

#: `or rollback`: see CLAIM.
UNBLOCK_RUNS = """
update or rollback jobsched_runs set state = 'pending' where id in (select value from json_each(?))
"""

#: All in one statement: a step a row would ask each time for Python's lock, which the handlers hold. `+` leaves no index but
#: that of names.
ADVANCE = """
update jobsched_jobs set cursor_at = json_extract(f.value, '$[2]'), next_at = json_extract(f.value, '$[3]')
from json_each(?) f
where jobsched_jobs.namespace = json_extract(f.value, '$[0]') and jobsched_jobs.name = json_extract(f.value, '$[1]')
  and +jobsched_jobs.cursor_at = json_extract(f.value, '$[4]')
  and +jobsched_jobs.schedule_revision = json_extract(f.value, '$[5]')
  and coalesce(json_extract(f.value, '$[6]'), jobsched_jobs.revision) = jobsched_jobs.revision
  and not exists (select 1 from jobsched_pauses p
    where p.namespace = jobsched_jobs.namespace and p.scope = 'job' and p.name = jobsched_jobs.name)
  and not exists (select 1 from jobsched_pauses p where p.namespace = jobsched_jobs.namespace and p.scope = 'all')
"""
#: Which of them are still as seen, and not paused.
AS_SEEN = """
select f.key from json_each(?) f cross join jobsched_jobs job
where job.namespace = json_extract(f.value, '$[0]') and job.name = json_extract(f.value, '$[1]')
  and job.cursor_at = json_extract(f.value, '$[4]') and job.schedule_revision = json_extract(f.value, '$[5]')
  and coalesce(json_extract(f.value, '$[6]'), job.revision) = job.revision
  and not exists (select 1 from jobsched_pauses p
    where p.namespace = job.namespace and p.scope = 'job' and p.name = job.name)
  and not exists (select 1 from jobsched_pauses p where p.namespace = job.namespace and p.scope = 'all')
"""

#: Plain slots that share what is bound by name; those whose key is not idle, or not known, are left out. Their ids are in
#: order from the first on. The conditions are those of the partial indexes, word for word.
INSERT_PLAIN = """
insert into jobsched_runs
  (id, namespace, job, handler, source, queue, priority, state, max_attempts, scheduled_at, available_at, start_by,
   generation, concurrency_key, payload, created_at, tags, attempt, claim_no, node, started_at)
select :first + slot.key, :namespace, json_extract(slot.value, '$[0]'), json_extract(slot.value, '$[6]'), 'slot', :queue, :priority,
  case when json_extract(slot.value, '$[2]') > :now then 'scheduled' else :due end, :max_attempts,
  json_extract(slot.value, '$[1]'), coalesce(json_extract(slot.value, '$[2]'), :now), json_extract(slot.value, '$[3]'),
  :generation,
  json_extract(slot.value, '$[4]'), json_extract(slot.value, '$[5]'), :now, :tags, :attempt, :attempt, :node, :started_at
from json_each(:slots) slot
where json_extract(slot.value, '$[4]') is null or (
  exists (select 1 from jobsched_keys k where k.namespace = :namespace and k.key = json_extract(slot.value, '$[4]'))
  and not exists (
    select 1 from jobsched_runs r where r.state in ('pending', 'running') and r.concurrency_key is not null
      and r.namespace = :namespace and r.concurrency_key = json_extract(slot.value, '$[4]')
    union all select 1 from jobsched_runs r
      where r.state = 'blocked' and r.namespace = :namespace and r.concurrency_key = json_extract(slot.value, '$[4]')
    union all select 1 from jobsched_runs r
      where r.state = 'scheduled' and r.concurrency_key is not null and (r.claim_no > 0 or r.source = 'slot')
        and r.namespace = :namespace and r.concurrency_key = json_extract(slot.value, '$[4]')
    union all select 1 from jobsched_runs r where r.abandoned_by is not null
      and r.namespace = :namespace and r.concurrency_key = json_extract(slot.value, '$[4]')))
on conflict do nothing
"""
#: What became of them, by their ids; and of which revision the jobs are of those that run.
INSERTED_STATES = """
select id, state, case when state = 'running' then
  (select revision from jobsched_jobs j where j.namespace = r.namespace and j.name = r.job) end
from jobsched_runs r where id > ?
"""
#: Whether runs of a namespace wait to be claimed.
ANY_PENDING = "select exists (select 1 from jobsched_runs where state = 'pending' and namespace = ?)"

WRITE_JOB = """
insert into jobsched_jobs
  (namespace, name, definition, revision, schedule_revision, generation, cursor_at, next_at, created_at, updated_at,
   origin)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (namespace, name) do update set
  definition = excluded.definition, revision = excluded.revision, schedule_revision = excluded.schedule_revision,
  generation = excluded.generation, cursor_at = excluded.cursor_at, next_at = excluded.next_at,
  updated_at = excluded.updated_at, origin = excluded.origin
"""

WRITE_DEFINITION = """
update jobsched_jobs set definition = ?, revision = ?, schedule_revision = ?, generation = ?, updated_at = ?,
  origin = ?
where namespace = ? and name = ?
"""

#: The node, if it still has its lease at this instant.
ALIVE = "select 1 from jobsched_nodes where id = ? and dead_at is null and heartbeat_at + lease_ms * 1000 >= ?"

#: All of them in one row, as JSON with commas between, and their ids: for each row Python's lock would be let go, and asked
#: for again of the handlers.
CLAIMABLE = """
select group_concat(run), group_concat(id) from (
  select id, json_array(id, claim_no + 1, ?, namespace, job,
    (select revision from jobsched_jobs j where j.namespace = r.namespace and j.name = r.job),
    handler, source, queue, attempt + 1, max_attempts, losses, scheduled_at, available_at, ?, ?, payload,
    concurrency_key, attempts_before, timeout_ms, trace, priority) as run
  from jobsched_runs r indexed by jobsched_runs_pending
  where state = 'pending' and namespace = ? and handler not in (select value from json_each(?))
    and (start_by is null or claim_no > 0 or start_by > ?)
  order by priority, available_at, id limit ?)
"""

CLAIMABLE_OF_QUEUE = """
select group_concat(run), group_concat(id) from (
  select id, json_array(id, claim_no + 1, ?, namespace, job,
    (select revision from jobsched_jobs j where j.namespace = r.namespace and j.name = r.job),
    handler, source, queue, attempt + 1, max_attempts, losses, scheduled_at, available_at, ?, ?, payload,
    concurrency_key, attempts_before, timeout_ms, trace, priority) as run
  from jobsched_runs r indexed by jobsched_runs_pending_by_queue
  where state = 'pending' and namespace = ? and handler not in (select value from json_each(?)) and queue = ?
    and (start_by is null or claim_no > 0 or start_by > ?)
  order by priority, available_at, id limit ?)
"""

#: The first that is plain, enqueued by itself and never claimed before, of the runs that come first.
FIRST_PLAIN = """
select handler, queue, priority, max_attempts from (
  select * from jobsched_runs r indexed by jobsched_runs_pending
  where state = 'pending' and namespace = ? and handler not in (select value from json_each(?))
    and (start_by is null or claim_no > 0 or start_by > ?)
  order by priority, available_at, id limit ?)
where job is null and source = 'enqueue' and claim_no = 0 and attempt = 0 and losses = 0 and attempts_before = 0
  and scheduled_at is null and concurrency_key is null and timeout_ms is null and trace is null
limit 1
"""
#: What differs in runs like that one, each in a list, since to write whole rows takes twice as long; of those that are not like
#: it the rows too, as above.
CLAIMABLE_ALIKE = """
select group_concat(id), group_concat(available_at), group_concat(payload), group_concat(run) from (
  select id, available_at, payload, case when not is_alike then
    json_array(id, claim_no + 1, :node, namespace, job,
      (select revision from jobsched_jobs j where j.namespace = r.namespace and j.name = r.job),
      handler, source, queue, attempt + 1, max_attempts, losses, scheduled_at, available_at, :now, :generation, payload,
      concurrency_key, attempts_before, timeout_ms, trace, priority) end as run
  from (
    select *, handler = :handler and queue = :queue and priority = :priority and max_attempts = :max_attempts
      and job is null and source = 'enqueue' and claim_no = 0 and attempt = 0 and losses = 0 and attempts_before = 0
      and scheduled_at is null and concurrency_key is null and timeout_ms is null and trace is null as is_alike
    from jobsched_runs indexed by jobsched_runs_pending
    where state = 'pending' and namespace = :namespace and handler not in (select value from json_each(:without))
      and (start_by is null or claim_no > 0 or start_by > :now)
    order by priority, available_at, id limit :limit) r)
"""

#: `or rollback`, here and below where many runs are moved at once: else SQLite copies each page first, to be able to take back
#: this one statement. What breaks a rule of the table ends the transaction then, and it is raised as ever.
CLAIM = """
update or rollback jobsched_runs set state = 'running', reason = null, attempt = attempt + 1, claim_no = claim_no + 1,
  node = ?, started_at = ?, generation = ?
where id in (select value from json_each(?))
"""

FINISH = """
update jobsched_runs set state = :state, reason = :reason, attempt = :attempt, losses = :losses, result = :result,
  max_attempts = coalesce(:max_attempts, max_attempts),
  error = case when :error is null then error
               when error is null then '[' || :error || ']'
               else substr(error, 1, length(error) - 1) || ',' || :error || ']' end,
  finished_at = :finished_at, available_at = coalesce(:available_at, available_at),
  node = case when :finished_at is null then null else node end,
  abandoned_by = case when :abandoned and :finished_at is not null then node else abandoned_by end
where id = :id and state = 'running' and node = :node and claim_no = :claim_no
"""

#: Runs that succeeded with nothing to show for it, by the same claim number. `+` as below.
FINISH_ALIKE = """
update or rollback jobsched_runs set state = 'succeeded', reason = null, attempt = :attempt, losses = :losses, result = null,
  finished_at = :finished_at
where id in (select value from json_each(:ids)) and +state = 'running' and +node = :node and claim_no = :claim_no
"""

#: What succeeded, all in one statement: a step a run would ask each time for Python's lock, which the handlers hold.
#: `+` keeps the fence away from the index of running runs: the runs are looked up by id, each once.
FINISH_WELL = """
update or rollback jobsched_runs set state = 'succeeded', reason = null, attempt = done.attempt, losses = done.losses,
  result = done.result, finished_at = :finished_at
from (select json_extract(value, '$[0]') as id, json_extract(value, '$[1]') as node,
        json_extract(value, '$[2]') as claim_no, json_extract(value, '$[3]') as attempt,
        json_extract(value, '$[4]') as losses, json_extract(value, '$[5]') as result from json_each(:done)) done
where jobsched_runs.id = done.id and +jobsched_runs.state = 'running' and +jobsched_runs.node = done.node
  and jobsched_runs.claim_no = done.claim_no
"""

#: Runs that do not wait again, and why they were asked to stop; the others because their job is gone.
NOT_AGAIN = """
select r.id, case when r.cancel_requested_at is not null then r.reason end
from json_each(?) f cross join jobsched_runs r on r.id = f.value
where r.cancel_requested_at is not null
  or (r.job is not null
    and not exists (select 1 from jobsched_jobs j where j.namespace = r.namespace and j.name = r.job))
"""

APPEND_LOG = """
insert into jobsched_run_logs (run_id, attempt, seq, at, stream, text)
select :run, :attempt, :seq, :at, :stream, :text
where exists (select 1 from jobsched_runs where id = :run) on conflict do nothing
"""

#: Of each job its newest runs, by ids that are found in the index of its runs.
RECENT_RUNS = """
select r.job, r.id, r.state, r.reason, r.created_at, r.started_at, r.finished_at
from json_each(:jobs) j cross join jobsched_runs r on r.id in
  (select id from jobsched_runs where namespace = :namespace and job = j.value order by id desc limit :count)
"""
