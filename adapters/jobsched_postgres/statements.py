"""PostgreSQL's own statements: whole batches in one JSON parameter, and rows that others hold are skipped.

Each statement that needs the time has it once, in `clock`: the given instant, or else the server's.
Values that may hold a NUL go as JSON inside JSON (a text that is cast), because only unread JSON may hold one.
"""

#: A record stands for all runs that are like it, one for each payload.
INSERT_RUNS = """
with clock as materialized (select coalesce(%s::timestamptz, clock_timestamp()) as now)
insert into jobsched_runs
  (namespace, job, handler, source, queue, priority, state, reason, max_attempts, scheduled_at, available_at,
   start_by, finished_at, generation, concurrency_key, unique_key, payload, covers_first, covers_last, covers_count, created_at,
   timeout_ms, unique_until, tags, batch, trace)
select run.namespace, job, handler, source, run.queue, priority,
  case when state = 'pending' and limited.starts then 'blocked' when state is not null then state
    when available_at > clock.now then 'scheduled' when limited.starts then 'blocked' else 'pending' end, reason, max_attempts,
  scheduled_at, coalesce(available_at, clock.now), start_by, case when state = 'skipped' then clock.now end, generation,
  concurrency_key, unique_key, payload.text::json, covers_first, covers_last, covers_count, clock.now,
  timeout_ms, clock.now + unique_for_ms * interval '1 millisecond', tags::json, batch, trace
from json_to_recordset(%s) as run (
  position int, namespace text, job text, handler text, source text, queue text, priority bigint, state text,
  reason text, max_attempts int, scheduled_at timestamptz, available_at timestamptz, start_by timestamptz, generation bigint,
  concurrency_key text, unique_key text, payloads json, covers_first timestamptz, covers_last timestamptz,
  covers_count bigint, timeout_ms bigint, unique_for_ms bigint, tags text, batch text, trace text)
cross join clock
cross join lateral json_array_elements_text(run.payloads) with ordinality as payload (text, place)
left join (select namespace, queue, max_queued, max_running is not null or rate is not null as starts from jobsched_queues)
  limited on limited.namespace = run.namespace and limited.queue = run.queue
where limited.max_queued is null or %s::boolean
order by position, payload.place
on conflict do nothing
returning id, state, namespace, job, scheduled_at, unique_key
"""

#: The same for runs of one queue that no row can stand in the way of: none is looked for, which would take longer than all
#: the rest. Their payloads come apart from what they share, a list for each record, and are read once: as they are.
INSERT_ALONE = """
with clock as materialized (
  select coalesce(%(now)s::timestamptz, clock_timestamp()) as now,
    case when %(ring)s then pg_notify('jobsched', 'runs') end as rung),
limited as materialized (
  select max_queued, max_running is not null or rate is not null as starts from jobsched_queues
  where namespace = %(namespace)s::text and queue = %(queue)s::text)
insert into jobsched_runs
  (namespace, job, handler, source, queue, priority, state, max_attempts, available_at, start_by, generation, payload,
   created_at, timeout_ms, tags, batch, trace)
select %(namespace)s::text, job, handler, source, %(queue)s::text, priority,
  case when available_at > clock.now then 'scheduled' when limited.starts then 'blocked' else 'pending' end, max_attempts,
  coalesce(available_at, clock.now), start_by, generation, payload.value, clock.now, timeout_ms, tags::json, batch, trace
from rows from (
  json_to_recordset(%(runs)s) as (
    job text, handler text, source text, priority bigint, max_attempts int, available_at timestamptz, start_by timestamptz,
    generation bigint, timeout_ms bigint, tags text, batch text, trace text),
  json_array_elements(%(payloads)s)
) with ordinality as run (
  job, handler, source, priority, max_attempts, available_at, start_by, generation, timeout_ms, tags, batch, trace, payloads,
  position)
cross join lateral json_array_elements(run.payloads) with ordinality as payload (value, place)
cross join clock left join limited on true
where limited.max_queued is null or %(however_many)s
order by position, payload.place
returning id, state
"""

#: The same for runs that differ in nothing but their payload. Each costs what it costs to insert a row; the ids come back in
#: one text, since a row for each would take the client as long as the rest. They are made, and so rise, in the order of the
#: list: a function's rows are joined to one alone.
INSERT_ALIKE = """
with clock as materialized (
  select coalesce(%(now)s::timestamptz, clock_timestamp()) as now,
    case when %(ring)s then pg_notify('jobsched', 'runs') end as rung),
limited as materialized (
  select max_queued, max_running is not null or rate is not null as starts from jobsched_queues
  where namespace = %(namespace)s::text and queue = %(queue)s::text),
made as (
  insert into jobsched_runs
    (namespace, job, handler, source, queue, priority, state, max_attempts, available_at, start_by, generation, payload,
     created_at, timeout_ms, tags, batch, trace)
  select %(namespace)s::text, %(job)s::text, %(handler)s::text, %(source)s::text, %(queue)s::text, %(priority)s::bigint,
    case when %(available_at)s::timestamptz > clock.now then 'scheduled' when limited.starts then 'blocked'
      else 'pending' end,
    %(max_attempts)s::int, coalesce(%(available_at)s::timestamptz, clock.now), %(start_by)s::timestamptz,
    %(generation)s::bigint, payload.value, clock.now, %(timeout_ms)s::bigint, %(tags)s::json, %(batch)s::text,
    %(trace)s::text
  from clock left join limited on true cross join json_array_elements(%(payloads)s::json) as payload
  where limited.max_queued is null or %(however_many)s
  returning id, state)
select string_agg(id::text, ','), min(state) from made
"""

#: One of them, without what it takes to unfold records. For libpq itself: parameters by number.
INSERT_ONE = """
with clock as materialized (
  select coalesce($1::timestamptz, clock_timestamp()) as now,
    case when $2::boolean then pg_notify('jobsched', 'runs') end as rung),
limited as materialized (
  select max_queued, max_running is not null or rate is not null as starts from jobsched_queues
  where namespace = $3::text and queue = $4::text)
insert into jobsched_runs
  (namespace, queue, job, handler, source, priority, state, available_at, max_attempts, start_by, generation, payload,
   timeout_ms, tags, batch, trace, created_at)
select $3::text, $4::text, $5::text, $6::text, $7::text, $8::bigint,
  case when $9::timestamptz > clock.now then 'scheduled' when limited.starts then 'blocked' else 'pending' end,
  coalesce($9::timestamptz, clock.now), $10::int, $11::timestamptz, $12::bigint, $13::json, $14::bigint, $15::json, $16::text,
  $17::text, clock.now
from clock left join limited on true
where limited.max_queued is null or $18::boolean
returning id, state
"""

SLOTS_TAKEN = """
select run.namespace, run.job, run.scheduled_at
from json_to_recordset(%s) as slot (namespace text, job text, scheduled_at timestamptz)
join jobsched_runs run using (namespace, job, scheduled_at)
where run.scheduled_at is not null
"""

ADD_KEYS = """
insert into jobsched_keys (namespace, key, max_running)
select namespace, key, max_running from json_to_recordset(%s) as wanted (namespace text, key text, max_running bigint)
order by namespace collate "C", key collate "C"
on conflict do nothing
"""

SET_KEYS = """
insert into jobsched_keys (namespace, key, max_running)
select namespace, key, max_running from json_to_recordset(%s) as wanted (namespace text, key text, max_running bigint)
order by namespace collate "C", key collate "C"
on conflict (namespace, key) do update set max_running = excluded.max_running
where jobsched_keys.max_running <> excluded.max_running
"""

#: The order by is that of the locks, so that no two wait for each other.
LOCK_KEYS = """
select k.namespace, k.key, k.max_running
from json_to_recordset(%s) as wanted (namespace text, key text)
join jobsched_keys k using (namespace, key)
order by k.namespace collate "C", k.key collate "C"
for update of k
"""

LOCK_FREE_KEYS = LOCK_KEYS.replace("for update of k", "for update of k skip locked")

#: A second statement after LOCK_KEYS: it sees what was committed while that one waited.
LOADS = """
select wanted.namespace, wanted.key,
  (select count(*) from (select 1 from jobsched_runs r
     where r.state in ('pending', 'running') and r.concurrency_key is not null
       and r.namespace = wanted.namespace and r.concurrency_key = wanted.key
     union all select 1 from jobsched_runs r
     where r.abandoned_by is not null and r.namespace = wanted.namespace and r.concurrency_key = wanted.key
     limit %(enough)s) held),
  (select count(*) from (select 1 from jobsched_runs r
     where r.state = 'blocked' and r.namespace = wanted.namespace and r.concurrency_key = wanted.key
     limit %(enough)s) waiting),
  (select count(*) from (select 1 from jobsched_runs r
     where r.state = 'scheduled' and r.concurrency_key is not null and (r.claim_no > 0 or r.source = 'slot')
       and r.namespace = wanted.namespace and r.concurrency_key = wanted.key limit %(enough)s) retrying)
from json_to_recordset(%(keys)s) as wanted (namespace text, key text)
"""

UNBLOCK = """
update jobsched_runs set state = 'pending'
where state || '' = 'blocked' and id = any(array(
  select oldest.id from json_to_recordset(%s) as free (namespace text, key text, places bigint)
  cross join lateral (
    select r.id from jobsched_runs r
    where r.state = 'blocked' and r.namespace = free.namespace and r.concurrency_key = free.key
    order by r.priority, r.available_at, r.id limit free.places) oldest))
"""

#: LOCK_KEYS, LOADS and UNBLOCK at once, of keys under which runs are blocked and that nobody else holds: two statements that
#: are sent together, so that a key is held no longer than the server needs. What the second is to see is in a setting of the
#: transaction. Where a queue lets only so many in, it does nothing, and says so.
HOLD_KEYS = """
with wanted as (
  select * from unnest(%(namespaces)s::text[], %(keys)s::text[], %(references)s::text[])
  with ordinality as wanted (namespace, key, reference, position)),
waiting as materialized (
  select wanted.* from wanted where exists (
    select 1 from jobsched_runs r
    where r.state = 'blocked' and r.namespace = wanted.namespace and r.concurrency_key = wanted.key)),
held as materialized (
  select waiting.position, waiting.namespace, waiting.key, coalesce((
    select declared.max_running from jobsched_keys declared
    where declared.namespace = waiting.namespace and declared.key = waiting.reference), k.max_running) as max_running
  from waiting join jobsched_keys k on k.namespace = waiting.namespace and k.key = waiting.key
  for update of k skip locked)
select (select array_agg(position) from waiting where position not in (select position from held)),
  set_config('jobsched.held', coalesce((select json_agg(held) from held), '[]')::text, true)
"""
ADMIT_HELD = """
with held as materialized (
  select * from json_to_recordset(current_setting('jobsched.held')::json)
    as held (namespace text, key text, max_running bigint)),
limited as materialized (
  select exists (select 1 from jobsched_queues where namespace = any(%(namespaces)s::text[])
    and (max_running is not null or rate is not null)) as starts),
admitted as (
  update jobsched_runs set state = 'pending'
  where state || '' = 'blocked' and not (select starts from limited) and id = any(array(
    select oldest.id from held
    cross join lateral (
      select count(*) as holders from (
        select 1 from jobsched_runs r
        where r.state in ('pending', 'running') and r.concurrency_key is not null
          and r.namespace = held.namespace and r.concurrency_key = held.key
        union all select 1 from jobsched_runs r
        where r.abandoned_by is not null and r.namespace = held.namespace and r.concurrency_key = held.key
        limit held.max_running) counted) taken
    cross join lateral (
      select r.id from jobsched_runs r
      where r.state = 'blocked' and r.namespace = held.namespace and r.concurrency_key = held.key
      order by r.priority, r.available_at, r.id limit held.max_running - taken.holders) oldest))
  returning id)
select (select count(*) from admitted), (select starts from limited)
"""

#: Jobs that are still as seen, that no pause holds, and that nobody else is firing; then the keys of their runs, in order. A job
#: whose key somebody holds is left for the next look: a node that is frozen may hold it for long, and the others are due now. No
#: key of a job's row is changed, so its lock lets `finish` look whether the job exists. Which of each, if that is not all; the
#: next statement of the transaction reads it in two settings, so that both are sent in one. An array a column: records of JSON
#: take the server six times as long to read.
ADVANCE = """
with firing as materialized (
  select * from unnest(%(namespace)s::text[], %(job)s::text[], %(seen_cursor)s::timestamptz[],
    %(schedule_revision)s::bigint[], %(revision)s::bigint[], %(cursor_at)s::timestamptz[], %(next_at)s::timestamptz[],
    %(concurrency_key)s::text[])
  with ordinality as firing (namespace, job, seen_cursor, schedule_revision, revision, cursor_at, next_at, concurrency_key,
    position)),
held as materialized (
  select firing.position, job.namespace, job.name, firing.cursor_at, firing.next_at, firing.concurrency_key
  from firing join jobsched_jobs job on job.namespace = firing.namespace and job.name = firing.job
  where job.cursor_at = firing.seen_cursor and job.schedule_revision = firing.schedule_revision
    and coalesce(firing.revision, job.revision) = job.revision
    and (job.namespace, job.name) not in (select namespace, name from jobsched_pauses where scope = 'job')
    and job.namespace not in (select namespace from jobsched_pauses where scope = 'all')
  order by job.namespace collate "C", job.name collate "C"
  for no key update of job skip locked),
locked as materialized (
  select held.position from held
  join jobsched_keys k on k.namespace = held.namespace and k.key = held.concurrency_key
  order by k.namespace collate "C", k.key collate "C"
  for update of k skip locked),
left_out as materialized (
  select held.position from held
  join jobsched_keys k on k.namespace = held.namespace and k.key = held.concurrency_key
  where (select count(*) from locked) < (select count(concurrency_key) from held)
    and held.position not in (select position from locked)),
moved as (
  update jobsched_jobs job set cursor_at = held.cursor_at, next_at = held.next_at
  from held where job.namespace = held.namespace and job.name = held.name
    and held.position not in (select position from left_out)
  returning held.position),
told as materialized (
  select
    (select case when count(*) < (select count(*) from firing) then coalesce(array_agg(position), '{}') end from moved)
      as moved,
    (select case when count(*) < (select count(concurrency_key) from held) then coalesce(array_agg(position), '{}') end
      from locked) as locked)
select moved, set_config('jobsched.moved', coalesce(moved::text, 'all'), true),
  set_config('jobsched.locked', coalesce(locked::text, 'all'), true)
from told
"""
#: For whoever needs all of them: it waits for keys.
ADVANCE_ALL = ADVANCE.replace("for update of k skip locked", "for update of k")

#: A second statement after ADVANCE: it sees what was committed while that one waited for keys. What it leaves out is counted:
#: what has no row of its key to lock, or whose key is not free. What the node asks for that fires them is running at once, as
#: if it had been claimed in the same instant: if nothing waits that would have been claimed before it, nor is counted for want
#: of a key's row. `revisions`: the jobs' are asked for, since not all firings say of which they are.
INSERT_PLAIN = """
with clock as materialized (select coalesce(%(now)s::timestamptz, clock_timestamp()) as now),
advanced as materialized (
  select nullif(current_setting('jobsched.moved'), 'all')::bigint[] as moved,
    nullif(current_setting('jobsched.locked'), 'all')::bigint[] as locked),
claiming as materialized (
  select node.id from jobsched_nodes node, clock
  where node.id = %(node)s::bigint and node.dead_at is null and (select locked from advanced) is null
    and node.heartbeat_at + node.lease_ms * interval '1 millisecond' >= clock.now
    and not exists (select 1 from jobsched_runs r where r.state = 'pending' and r.namespace = any(%(served)s::text[]))),
slot as (
  select slot.*, clock.now,
    case when slot.available_at > clock.now then 'scheduled' when limited.starts then 'blocked'
      when slot.wanted and (slot.start_by is null or slot.start_by > clock.now) and claiming.id is not null then 'running'
      else 'pending' end as state,
    claiming.id as node
  from unnest(%(namespace)s::text[], %(job)s::text[], %(handler)s::text[], %(queue)s::text[], %(priority)s::bigint[],
    %(max_attempts)s::int[], %(scheduled_at)s::timestamptz[], %(available_at)s::timestamptz[], %(start_by)s::timestamptz[],
    %(generation)s::bigint[], %(concurrency_key)s::text[], %(payload)s::text[], %(tags)s::text[], %(wanted)s::bool[])
  with ordinality as slot (namespace, job, handler, queue, priority, max_attempts, scheduled_at, available_at, start_by,
    generation, concurrency_key, payload, tags, wanted, position)
  cross join clock
  left join claiming on true
  left join (select namespace, queue, max_running is not null or rate is not null as starts from jobsched_queues)
    limited on limited.namespace = slot.namespace and limited.queue = slot.queue
  where slot.handler is not null and (%(among)s::int[] is null or slot.position = any(%(among)s::int[]))
    and coalesce(slot.position = any((select moved from advanced)::bigint[]), true)
    and (slot.concurrency_key is null or coalesce(slot.position = any((select locked from advanced)::bigint[]), true))
    and (slot.concurrency_key is null or not exists (
      select 1 from jobsched_runs r where r.state in ('pending', 'running') and r.concurrency_key is not null
        and r.namespace = slot.namespace and r.concurrency_key = slot.concurrency_key
      union all select 1 from jobsched_runs r
        where r.state = 'blocked' and r.namespace = slot.namespace and r.concurrency_key = slot.concurrency_key
      union all select 1 from jobsched_runs r
        where r.state = 'scheduled' and r.concurrency_key is not null and (r.claim_no > 0 or r.source = 'slot')
          and r.namespace = slot.namespace and r.concurrency_key = slot.concurrency_key
      union all select 1 from jobsched_runs r where r.abandoned_by is not null
        and r.namespace = slot.namespace and r.concurrency_key = slot.concurrency_key)))
insert into jobsched_runs
  (namespace, job, handler, source, queue, priority, state, max_attempts, scheduled_at, available_at, start_by, generation,
   concurrency_key, payload, created_at, tags, attempt, claim_no, node, started_at)
select namespace, job, handler, 'slot', queue, priority, state, max_attempts, scheduled_at, coalesce(available_at, now), start_by,
  case when state = 'running' then (%(generations)s::json ->> namespace)::bigint else generation end,
  concurrency_key, payload::json, now, tags::json,
  case when state = 'running' then 1 else 0 end, case when state = 'running' then 1 else 0 end,
  case when state = 'running' then node end, case when state = 'running' then now end
from slot
order by position
on conflict do nothing
returning id, state, namespace, job, case when state = 'running' and %(revisions)s::bool then
  (select revision from jobsched_jobs j where j.namespace = jobsched_runs.namespace and j.name = jobsched_runs.job) end,
  started_at
"""

#: A transaction that is held open until a slot has come waits for nothing longer than till then, and is ended by the server
#: if it has heard nothing of it a second later.
HOLD = """
with clock as materialized (
  select greatest(ceil(extract(epoch from %(at)s::timestamptz - coalesce(%(now)s::timestamptz, clock_timestamp())) * 1000), 1)
    ::bigint as early)
select set_config('lock_timeout', early::text, true),
  set_config('idle_in_transaction_session_timeout', (early + 1000)::text, true)
from clock
"""

#: The server's clock may be a little behind what the node knows of it. A statement of its own, since the next one is to see what
#: was committed meanwhile.
AWAIT = """
select pg_sleep(greatest(0, least(0.05,
  extract(epoch from %(at)s::timestamptz - coalesce(%(now)s::timestamptz, clock_timestamp()))))::double precision)
"""

#: What ADVANCE and INSERT_PLAIN have asked of what they did not lock; and that a pause of a queue was put meanwhile. A lease, and
#: that nothing waits but what this has inserted itself, are asked for only if the node has claimed some of it.
CONFIRM = """
with clock as materialized (select coalesce(%(now)s::timestamptz, clock_timestamp()) as now)
select clock.now >= %(at)s::timestamptz and clock.now < %(until)s::timestamptz
  and (%(node)s::bigint is null
    or exists (select 1 from jobsched_nodes node where node.id = %(node)s::bigint and node.dead_at is null
        and node.heartbeat_at + node.lease_ms * interval '1 millisecond' >= clock.now)
      and not exists (select 1 from jobsched_runs r where r.state = 'pending' and r.namespace = any(%(served)s::text[])
        and r.id <> all(%(own)s::bigint[])))
  and not exists (select 1 from jobsched_pauses p where p.namespace = any(%(namespaces)s::text[])
    and (p.scope = 'all' or p.scope = 'job' and p.name = any(%(jobs)s::text[])
      or p.scope = 'queue' and p.name = any(%(queues)s::text[])))
  and not exists (select 1 from jobsched_queues q where q.namespace = any(%(namespaces)s::text[])
    and q.queue = any(%(queues)s::text[]) and (q.max_running is not null or q.rate is not null))
from clock
"""

WRITE_JOBS = """
with clock as materialized (select coalesce(%(now)s::timestamptz, clock_timestamp()) as now)
insert into jobsched_jobs
  (namespace, name, definition, revision, schedule_revision, generation, cursor_at, next_at, created_at, updated_at,
   origin)
select %(namespace)s, name, definition::json, revision, schedule_revision, %(generation)s, cursor_at, next_at,
  clock.now, clock.now, origin
from json_to_recordset(%(jobs)s) as job (name text, definition text, revision bigint, schedule_revision bigint,
  cursor_at timestamptz, next_at timestamptz, origin text), clock
order by name collate "C"
on conflict (namespace, name) do update set
  definition = excluded.definition, revision = excluded.revision, schedule_revision = excluded.schedule_revision,
  generation = excluded.generation, cursor_at = excluded.cursor_at, next_at = excluded.next_at,
  updated_at = excluded.updated_at, origin = excluded.origin
"""

WRITE_DEFINITIONS = """
update jobsched_jobs job set definition = wanted.definition::json, revision = wanted.revision,
  schedule_revision = wanted.schedule_revision, generation = %(generation)s,
  updated_at = coalesce(%(now)s::timestamptz, clock_timestamp()), origin = wanted.origin
from json_to_recordset(%(jobs)s) as wanted (name text, definition text, revision bigint, schedule_revision bigint,
  origin text)
where job.namespace = %(namespace)s and job.name = wanted.name
"""

# `= any(array(...))`, not `in (...)`: as a join the planner may run the locking select again and again, and claim too many.
CLAIM = """
with clock as materialized (select coalesce(%(now)s::timestamptz, clock_timestamp()) as now)
update jobsched_runs run set state = 'running', reason = null, attempt = attempt + 1, claim_no = claim_no + 1,
  node = %(node)s, started_at = (select now from clock), generation = (%(generations)s::bigint[])[1]
where run.id = any(array(
  select r.id from jobsched_runs r
  where r.state = 'pending' and r.namespace = (%(namespaces)s::text[])[1] and r.handler <> all(%(without)s::text[])
    and (r.start_by is null or r.claim_no > 0 or r.start_by > (select now from clock))
    and exists (select 1 from jobsched_nodes node, clock
      where node.id = %(node)s and node.dead_at is null
        and node.heartbeat_at + node.lease_ms * interval '1 millisecond' >= clock.now)
  order by r.priority, r.available_at, r.id limit %(limit)s for update skip locked))
returning id, claim_no, node, namespace, job,
  case when run.job is not null then
    (select revision from jobsched_jobs job where job.namespace = run.namespace and job.name = run.job) end,
  handler, source, queue, attempt, max_attempts, losses, scheduled_at, available_at, started_at, generation,
  payload, concurrency_key, attempts_before, timeout_ms, trace, priority
"""

#: The same of several namespaces.
# `unnest((select ...))`: were the array's length known to a plan for these parameters alone, that would look cheaper than one
# for all, and be made anew for each claim, which takes twice as long as claiming one run.
CLAIM_OF_NAMESPACES = """
with clock as materialized (select coalesce(%(now)s::timestamptz, clock_timestamp()) as now)
update jobsched_runs run set state = 'running', reason = null, attempt = attempt + 1, claim_no = claim_no + 1,
  node = %(node)s, started_at = (select now from clock),
  generation = (%(generations)s::bigint[])[array_position(%(of_namespaces)s::text[], run.namespace)]
where run.id = any(array(
  select oldest.id
  from unnest((select %(namespaces)s::text[])) as wanted (namespace)
  cross join lateral (
    select r.id, r.priority, r.available_at from jobsched_runs r
    where r.state = 'pending' and r.namespace = wanted.namespace and r.handler <> all(%(without)s::text[])
      and (r.start_by is null or r.claim_no > 0 or r.start_by > (select now from clock))
    order by r.priority, r.available_at, r.id limit %(limit)s for update skip locked) oldest
  where exists (select 1 from jobsched_nodes node, clock
    where node.id = %(node)s and node.dead_at is null
      and node.heartbeat_at + node.lease_ms * interval '1 millisecond' >= clock.now)
  order by oldest.priority, oldest.available_at, oldest.id limit %(limit)s))
returning id, claim_no, node, namespace, job,
  case when run.job is not null then
    (select revision from jobsched_jobs job where job.namespace = run.namespace and job.name = run.job) end,
  handler, source, queue, attempt, max_attempts, losses, scheduled_at, available_at, started_at, generation,
  payload, concurrency_key, attempts_before, timeout_ms, trace, priority
"""

#: A share is one of all namespaces together, hence the places.
CLAIM_OF_QUEUES = """
with clock as materialized (select coalesce(%(now)s::timestamptz, clock_timestamp()) as now)
update jobsched_runs run set state = 'running', reason = null, attempt = attempt + 1, claim_no = claim_no + 1,
  node = %(node)s, started_at = (select now from clock),
  generation = (%(generations)s::bigint[])[array_position(%(of_namespaces)s::text[], run.namespace)]
where run.id = any(array(
  select ranked.id from (
  select oldest.*, served.share,
    row_number() over (partition by served.queue order by oldest.priority, oldest.available_at, oldest.id) as place
  from unnest((select %(namespaces)s::text[]), (select %(queues)s::text[]), (select %(shares)s::int[]))
    as served (namespace, queue, share)
  cross join lateral (
    select r.id, r.priority, r.available_at from jobsched_runs r
    where r.state = 'pending' and r.namespace = served.namespace and r.queue = served.queue
      and r.handler <> all(%(without)s::text[])
      and (r.start_by is null or r.claim_no > 0 or r.start_by > (select now from clock))
    order by r.priority, r.available_at, r.id limit served.share for update skip locked) oldest
  where exists (select 1 from jobsched_nodes node, clock
    where node.id = %(node)s and node.dead_at is null
      and node.heartbeat_at + node.lease_ms * interval '1 millisecond' >= clock.now)) ranked
  where ranked.place <= ranked.share
  order by ranked.priority, ranked.available_at, ranked.id limit %(limit)s))
returning id, claim_no, node, namespace, job,
  case when run.job is not null then
    (select revision from jobsched_jobs job where job.namespace = run.namespace and job.name = run.job) end,
  handler, source, queue, attempt, max_attempts, losses, scheduled_at, available_at, started_at, generation,
  payload, concurrency_key, attempts_before, timeout_ms, trace, priority
"""

#: Runs that succeeded with nothing to show for it, all by the same claim number: most of what comes by the thousand. How
#: many were still owned, and which, if that is not all. `|| ''` and `+ 0` keep the fence away from the index of running
#: runs; and of an array that it has not seen the planner thinks that it is short, and looks each run up by its id.
FINISH_WELL = """
with clock as materialized (select coalesce(%(now)s::timestamptz, clock_timestamp()) as now),
finished as (
  update jobsched_runs run set state = 'succeeded', reason = null, attempt = %(attempt)s, losses = %(losses)s, result = null,
    finished_at = (select now from clock)
  where run.id = any(array(select unnest(%(ids)s::bigint[])))
    and run.state || '' = 'running' and run.node + 0 = %(node)s and run.claim_no = %(claim_no)s
  returning run.id)
select count(*), case when count(*) < cardinality(%(ids)s::bigint[]) then array_agg(id) end from finished
"""

# `|| ''` and `+ 0` keep the fence away from the index of running runs: with it, the join goes quadratic. The array has the
# runs looked up by their ids, as above: for a join alone the whole table may be read.
FINISH = """
with clock as materialized (select coalesce(%(now)s::timestamptz, clock_timestamp()) as now),
done as materialized (
  select * from json_to_recordset(%(transitions)s) as done (id bigint, node bigint, claim_no bigint, state text, reason text,
    attempt int, losses int, max_attempts int, result text, error text, abandoned bool))
update jobsched_runs run set state = done.state, reason = done.reason, attempt = done.attempt, losses = done.losses,
  max_attempts = coalesce(done.max_attempts, run.max_attempts), result = done.result::json, finished_at = clock.now,
  abandoned_by = case when done.abandoned then run.node else run.abandoned_by end,
  error = case when done.error is null then run.error
    when run.error is null then ('[' || done.error || ']')::json
    else (left(run.error::text, -1) || ',' || done.error || ']')::json end
from done, clock
where run.id = done.id and run.id = any(array(select id from done))
  and run.state || '' = 'running' and run.node + 0 = done.node and run.claim_no = done.claim_no
returning run.id, run.state, run.reason
"""

#: With transitions after which a run would run again. Its job is held while we look whether it is there,
#: so that a sync that removes it at this moment finds the run waiting, or we find the job gone. Whether it was
#: asked to stop is read from the row that is written, since who asks holds nothing but that row. No join has the array of all
#: ids beside it: where it is a loop over the index, the array would be sorted anew for each.
FINISH_OR_AGAIN = """
with clock as materialized (select coalesce(%(now)s::timestamptz, clock_timestamp()) as now),
done as materialized (
  select * from json_to_recordset(%(transitions)s) as done (id bigint, node bigint, claim_no bigint, state text,
    reason text, attempt int, losses int, max_attempts int, result text, error text, available_at timestamptz, abandoned bool)),
known as materialized (
  select run.id, run.namespace, run.job from jobsched_runs run where run.id = any(array(select id from done))),
again as materialized (
  select distinct run.namespace, run.job from done join known run on run.id = done.id
  where done.state in ('scheduled', 'pending')),
held as materialized (
  select job.namespace, job.name from again
  join jobsched_jobs job on job.namespace = again.namespace and job.name = again.job
  order by job.namespace collate "C", job.name collate "C"
  for key share of job),
fate as materialized (
  select done.*, done.state in ('scheduled', 'pending') as again,
    done.state in ('scheduled', 'pending') and run.job is not null
    and not exists (select 1 from held where held.namespace = run.namespace and held.name = run.job) as gone
  from done join known run on run.id = done.id)
update jobsched_runs run set
  state = case when not again then fate.state when run.cancel_requested_at is not null then 'cancelled'
    when not gone then fate.state when fate.reason is null then 'cancelled' else 'failed' end,
  reason = case when again and run.cancel_requested_at is not null then run.reason
    when gone then coalesce(fate.reason, 'job_removed') else fate.reason end,
  attempt = fate.attempt, losses = fate.losses, max_attempts = coalesce(fate.max_attempts, run.max_attempts), result = fate.result::json,
  finished_at = case when gone or run.cancel_requested_at is not null or not again then clock.now end,
  available_at = case when gone or run.cancel_requested_at is not null then run.available_at
    else coalesce(fate.available_at, run.available_at) end,
  node = case when gone or run.cancel_requested_at is not null or not again then run.node end,
  abandoned_by = case when fate.abandoned and (gone or run.cancel_requested_at is not null or not again) then run.node
    else run.abandoned_by end,
  error = case when fate.error is null then run.error
    when run.error is null then ('[' || fate.error || ']')::json
    else (left(run.error::text, -1) || ',' || fate.error || ']')::json end
from fate, clock
where run.id = fate.id
  and run.state || '' = 'running' and run.node + 0 = fate.node and run.claim_no = fate.claim_no
returning run.id, run.state, run.reason
"""

APPEND_LOG = """
insert into jobsched_run_logs (run_id, attempt, seq, at, stream, text)
select line.run_id, line.attempt, line.seq, line.at, line.stream, line.text
from json_to_recordset(%s) as line (run_id bigint, attempt int, seq bigint, at timestamptz, stream text, text text)
join jobsched_runs run on run.id = line.run_id
order by line.run_id, line.attempt, line.seq
on conflict do nothing
"""

#: Of each job its newest runs, by some steps down the index of its runs.
RECENT_RUNS = """
select r.job, r.id, r.state, r.reason, r.created_at, r.started_at, r.finished_at
from json_array_elements_text(:jobs) as j (name) cross join lateral
  (select * from jobsched_runs where namespace = :namespace and job = j.name order by id desc limit :count) r
"""
