"""PostgreSQL's `jobsched_enqueue(handler, payload, …)`: for SQL, above all for triggers."""

#: What needs a place of a key or a queue is scheduled for now, as in `insertion.enqueue_within`: it locks nothing.
CREATE = """
create function jobsched_enqueue(
  handler text,
  payload json default '{}',
  queue text default 'default',
  priority bigint default 0,
  run_at timestamptz default null,
  max_attempts int default 1,
  unique_key text default null,
  concurrency_key text default null,
  namespace text default 'default'
) returns bigint language plpgsql as $jobsched$
declare
  made bigint;
  waits boolean;
begin
  if json_typeof(jobsched_enqueue.payload) is distinct from 'object' then
    raise exception 'a payload is a JSON object' using
      errcode = 'invalid_parameter_value', hint = 'json_build_object(...) makes one';
  end if;
  if octet_length(cast(jobsched_enqueue.payload as text)) > 1048576 then
    raise exception 'the payload has more than 1 MiB' using
      errcode = 'invalid_parameter_value', hint = 'store it elsewhere, and pass where it is';
  end if;
  if jobsched_enqueue.max_attempts < 1 then
    raise exception 'max_attempts is at least 1' using errcode = 'invalid_parameter_value';
  end if;
  if coalesce(jobsched_enqueue.handler, '') = '' or left(jobsched_enqueue.handler, 1) = '{' then
    raise exception 'a handler is a registered name' using errcode = 'invalid_parameter_value';
  end if;
  waits := jobsched_enqueue.run_at > clock_timestamp() or jobsched_enqueue.concurrency_key is not null or exists (
    select from jobsched_queues q where q.namespace = jobsched_enqueue.namespace and q.queue = jobsched_enqueue.queue);
  -- A unique key may be freed, and taken again, between the two; in an older snapshot its run cannot be seen at all.
  for attempt in 1..10 loop
    insert into jobsched_runs as r (namespace, handler, source, queue, priority, state, max_attempts, available_at,
      unique_key, concurrency_key, payload, created_at)
    values (jobsched_enqueue.namespace, jobsched_enqueue.handler, 'enqueue', jobsched_enqueue.queue,
      jobsched_enqueue.priority, case when waits then 'scheduled' else 'pending' end, jobsched_enqueue.max_attempts,
      coalesce(jobsched_enqueue.run_at, clock_timestamp()), jobsched_enqueue.unique_key, jobsched_enqueue.concurrency_key,
      jobsched_enqueue.payload, clock_timestamp())
    on conflict do nothing returning r.id into made;
    if made is not null then
      perform pg_notify('jobsched', 'runs');
      return made;
    end if;
    select r.id into made from jobsched_runs r
    where r.namespace = jobsched_enqueue.namespace and r.unique_key = jobsched_enqueue.unique_key
      and r.state in ('scheduled', 'pending', 'blocked', 'running');
    if made is not null then
      return made;
    end if;
  end loop;
  raise exception 'the unique key is taken by a run that cannot be seen here' using errcode = 'serialization_failure';
end
$jobsched$
"""

#: As `depths.check_room` without a lock: called once the run has been made, which an error takes back.
CHECK_ROOM = """
create function jobsched_check_room(namespace text, queue text) returns void language plpgsql as $jobsched$
declare
  most bigint;
  waiting bigint;
begin
  select q.max_queued into most from jobsched_queues q
  where q.namespace = jobsched_check_room.namespace and q.queue = jobsched_check_room.queue;
  if most is null then
    return;
  end if;
  select count(*) into waiting from (
    select 1 from jobsched_runs r where r.state = 'pending'
      and r.namespace = jobsched_check_room.namespace and r.queue = jobsched_check_room.queue
    union all
    select 1 from jobsched_runs r where r.state = 'blocked'
      and r.namespace = jobsched_check_room.namespace and r.queue = jobsched_check_room.queue
    union all
    select 1 from jobsched_runs r where r.state = 'scheduled'
      and r.namespace = jobsched_check_room.namespace and r.queue = jobsched_check_room.queue
    limit most + 1) found;
  if waiting > most then
    raise exception using errcode = 'configuration_limit_exceeded',
      message = 'queue ' || jobsched_check_room.queue || ' is full: as many runs wait in it as its max_queued allows, ' || most,
      hint = 'enqueue again when some have started, or raise settings.queues.' || jobsched_check_room.queue || '.max_queued';
  end if;
end
$jobsched$
"""

#: The function of 0001, for queues that have something else than a limit.
WITH_QUEUES = """
create or replace function jobsched_enqueue(
  handler text,
  payload json default '{}',
  queue text default 'default',
  priority bigint default 0,
  run_at timestamptz default null,
  max_attempts int default 1,
  unique_key text default null,
  concurrency_key text default null,
  namespace text default 'default'
) returns bigint language plpgsql as $jobsched$
declare
  made bigint;
  waits boolean;
begin
  if json_typeof(jobsched_enqueue.payload) is distinct from 'object' then
    raise exception 'a payload is a JSON object' using
      errcode = 'invalid_parameter_value', hint = 'json_build_object(...) makes one';
  end if;
  if octet_length(cast(jobsched_enqueue.payload as text)) > 1048576 then
    raise exception 'the payload has more than 1 MiB' using
      errcode = 'invalid_parameter_value', hint = 'store it elsewhere, and pass where it is';
  end if;
  if jobsched_enqueue.max_attempts < 1 then
    raise exception 'max_attempts is at least 1' using errcode = 'invalid_parameter_value';
  end if;
  if coalesce(jobsched_enqueue.handler, '') = '' or left(jobsched_enqueue.handler, 1) = '{' then
    raise exception 'a handler is a registered name' using errcode = 'invalid_parameter_value';
  end if;
  waits := jobsched_enqueue.run_at > clock_timestamp() or jobsched_enqueue.concurrency_key is not null or exists (
    select from jobsched_queues q where q.namespace = jobsched_enqueue.namespace and q.queue = jobsched_enqueue.queue
      and (q.max_running is not null or q.rate is not null));
  -- A unique key may be freed, and taken again, between the two; in an older snapshot its run cannot be seen at all.
  for attempt in 1..10 loop
    insert into jobsched_runs as r (namespace, handler, source, queue, priority, state, max_attempts, available_at,
      unique_key, concurrency_key, payload, created_at)
    values (jobsched_enqueue.namespace, jobsched_enqueue.handler, 'enqueue', jobsched_enqueue.queue,
      jobsched_enqueue.priority, case when waits then 'scheduled' else 'pending' end, jobsched_enqueue.max_attempts,
      coalesce(jobsched_enqueue.run_at, clock_timestamp()), jobsched_enqueue.unique_key, jobsched_enqueue.concurrency_key,
      jobsched_enqueue.payload, clock_timestamp())
    on conflict do nothing returning r.id into made;
    if made is not null then
      perform jobsched_check_room(jobsched_enqueue.namespace, jobsched_enqueue.queue);
      perform pg_notify('jobsched', 'runs');
      return made;
    end if;
    select r.id into made from jobsched_runs r
    where r.namespace = jobsched_enqueue.namespace and r.unique_key = jobsched_enqueue.unique_key
      and r.state in ('scheduled', 'pending', 'blocked', 'running');
    if made is not null then
      return made;
    end if;
  end loop;
  raise exception 'the unique key is taken by a run that cannot be seen here' using errcode = 'serialization_failure';
end
$jobsched$
"""

#: Before it is made anew with other arguments: of two, a call would not say which is meant.
DROP = """
do $jobsched_drop$
declare
  older regprocedure;
begin
  for older in
    select p.oid from pg_proc p
    where p.proname = 'jobsched_enqueue' and p.pronamespace = to_regnamespace(current_schema())
  loop
    execute 'drop function ' || cast(older as text);
  end loop;
end
$jobsched_drop$
"""

#: The function of 0002, for all that a run may say.
WITH_RUNS = """
create function jobsched_enqueue(
  handler text,
  payload json default '{}',
  queue text default 'default',
  priority bigint default 0,
  run_at timestamptz default null,
  max_attempts int default 1,
  unique_key text default null,
  concurrency_key text default null,
  namespace text default 'default',
  timeout interval default null,
  unique_for interval default null,
  tags text[] default null,
  batch text default null
) returns bigint language plpgsql as $jobsched$
declare
  made bigint;
  waits boolean;
begin
  if json_typeof(jobsched_enqueue.payload) is distinct from 'object' then
    raise exception 'a payload is a JSON object' using
      errcode = 'invalid_parameter_value', hint = 'json_build_object(...) makes one';
  end if;
  if octet_length(cast(jobsched_enqueue.payload as text)) > 1048576 then
    raise exception 'the payload has more than 1 MiB' using
      errcode = 'invalid_parameter_value', hint = 'store it elsewhere, and pass where it is';
  end if;
  if jobsched_enqueue.max_attempts < 1 then
    raise exception 'max_attempts is at least 1' using errcode = 'invalid_parameter_value';
  end if;
  if coalesce(jobsched_enqueue.handler, '') = '' or left(jobsched_enqueue.handler, 1) = '{' then
    raise exception 'a handler is a registered name' using errcode = 'invalid_parameter_value';
  end if;
  if jobsched_enqueue.timeout <= interval '0' or jobsched_enqueue.unique_for <= interval '0' then
    raise exception 'timeout and unique_for are more than 0' using errcode = 'invalid_parameter_value';
  end if;
  if jobsched_enqueue.unique_for is not null and jobsched_enqueue.unique_key is null then
    raise exception 'unique_for needs a unique_key' using errcode = 'invalid_parameter_value';
  end if;
  if cardinality(jobsched_enqueue.tags) > 32 or exists (
    select from unnest(jobsched_enqueue.tags) as tag where tag is null or length(tag) not between 1 and 64) then
    raise exception 'a run has at most 32 tags of 1 to 64 characters' using errcode = 'invalid_parameter_value';
  end if;
  if length(jobsched_enqueue.batch) not between 1 and 200 then
    raise exception 'the name of a batch has 1 to 200 characters' using errcode = 'invalid_parameter_value';
  end if;
  waits := jobsched_enqueue.run_at > clock_timestamp() or jobsched_enqueue.concurrency_key is not null or exists (
    select from jobsched_queues q where q.namespace = jobsched_enqueue.namespace and q.queue = jobsched_enqueue.queue
      and (q.max_running is not null or q.rate is not null));
  -- A unique key may be freed, and taken again, between the two; in an older snapshot its run cannot be seen at all.
  for attempt in 1..10 loop
    if jobsched_enqueue.unique_key is not null then
      update jobsched_runs r set unique_until = null
      where r.namespace = jobsched_enqueue.namespace and r.unique_key = jobsched_enqueue.unique_key
        and r.finished_at is not null and r.unique_until <= clock_timestamp();
    end if;
    insert into jobsched_runs as r (namespace, handler, source, queue, priority, state, max_attempts, available_at,
      unique_key, concurrency_key, payload, created_at, timeout_ms, unique_until, tags, batch)
    values (jobsched_enqueue.namespace, jobsched_enqueue.handler, 'enqueue', jobsched_enqueue.queue,
      jobsched_enqueue.priority, case when waits then 'scheduled' else 'pending' end, jobsched_enqueue.max_attempts,
      coalesce(jobsched_enqueue.run_at, clock_timestamp()), jobsched_enqueue.unique_key, jobsched_enqueue.concurrency_key,
      jobsched_enqueue.payload, clock_timestamp(), ceil(extract(epoch from jobsched_enqueue.timeout) * 1000),
      clock_timestamp() + jobsched_enqueue.unique_for,
      case when cardinality(jobsched_enqueue.tags) > 0 then to_json(jobsched_enqueue.tags) end, jobsched_enqueue.batch)
    on conflict do nothing returning r.id into made;
    if made is not null then
      perform jobsched_check_room(jobsched_enqueue.namespace, jobsched_enqueue.queue);
      perform pg_notify('jobsched', 'runs');
      return made;
    end if;
    select r.id into made from jobsched_runs r
    where r.namespace = jobsched_enqueue.namespace and r.unique_key = jobsched_enqueue.unique_key
      and (r.state in ('scheduled', 'pending', 'blocked', 'running') or r.unique_until is not null);
    if made is not null then
      return made;
    end if;
  end loop;
  raise exception 'the unique key is taken by a run that cannot be seen here' using errcode = 'serialization_failure';
end
$jobsched$
"""
