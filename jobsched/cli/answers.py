"""What became of runs that somebody asked something of: said run by run, the refused ones on standard error."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from jobsched.cli.output import print_json, say

if TYPE_CHECKING:
    from jobsched.model.run import Answer

#: Beyond so many, those that fared alike share a line.
_MOST_LINES = 100


def report(answers: "Sequence[Answer]", done: str, refused: str, *, output: str) -> None:
    """`done` and `refused` are the clauses after `run N`, with `{state}` and `{why}`. Exits with 1 if any was refused."""
    from jobsched.client import why_refused
    from jobsched.model.report import answer_as_json

    if output == "json":
        print_json([answer_as_json(answer) for answer in answers])
    else:
        obtained = [(one.id, done.format(state=one.state)) for one in answers if one.refused is None]
        for line in _lines(obtained):
            say(line)
    hindered = [(one.id, refused.format(why=why_refused(one))) for one in answers if one.refused is not None]
    for line in _lines(hindered):
        say(f"error: {line}", err=True, fg="red")
    if hindered:
        raise SystemExit(1)


def _lines(clauses: Sequence[tuple[int, str]]) -> Iterator[str]:
    """A line for each run, or, if they are very many, for each clause."""
    if len(clauses) <= _MOST_LINES:
        yield from (f"run {run_id} {clause}" for run_id, clause in clauses)
        return
    alike: dict[str, list[int]] = {}
    for run_id, clause in clauses:
        alike.setdefault(clause, []).append(run_id)
    for clause, ids in alike.items():
        yield f"{f'each of {len(ids):,} runs' if len(ids) > 1 else f'run {ids[0]}'} {clause}"
