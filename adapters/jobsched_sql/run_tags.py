"""Finding runs by their tags: the list that stands on each run, turned about by triggers, whoever writes the run."""

#: None for an insert: it would make each one, without tags too, a tenth dearer. The adapter does that part itself.
_ON_SQLITE = (
    """
create trigger jobsched_run_tags_update after update of tags on jobsched_runs begin
  delete from jobsched_run_tags where namespace = old.namespace and run_id = old.id
    and tag in (select value from json_each(coalesce(old.tags, '[]')));
  insert into jobsched_run_tags (namespace, tag, run_id)
  select distinct new.namespace, value, new.id from json_each(coalesce(new.tags, '[]'));
end
""",
    """
create trigger jobsched_run_tags_delete after delete on jobsched_runs when old.tags is not null begin
  delete from jobsched_run_tags where namespace = old.namespace and run_id = old.id
    and tag in (select value from json_each(old.tags));
end
""",
)

_ON_POSTGRESQL = (
    """
create function jobsched_index_run_tags() returns trigger language plpgsql as $jobsched$
begin
  if tg_op <> 'INSERT' then
    delete from jobsched_run_tags t where t.namespace = old.namespace and t.run_id = old.id
      and t.tag = any(array(select json_array_elements_text(old.tags)));
  end if;
  if tg_op <> 'DELETE' then
    insert into jobsched_run_tags (namespace, tag, run_id)
    select distinct new.namespace, tag, new.id from json_array_elements_text(new.tags) as tag;
  end if;
  return null;
end
$jobsched$
""",
    """
create trigger jobsched_run_tags_insert after insert on jobsched_runs for each row
when (new.tags is not null) execute function jobsched_index_run_tags()
""",
    """
create trigger jobsched_run_tags_update after update of tags on jobsched_runs for each row
execute function jobsched_index_run_tags()
""",
    """
create trigger jobsched_run_tags_delete after delete on jobsched_runs for each row
when (old.tags is not null) execute function jobsched_index_run_tags()
""",
)

#: By the database's name.
TRIGGERS = {"sqlite": _ON_SQLITE, "postgresql": _ON_POSTGRESQL}
