"""What became of runs that somebody asked something of: said run by run, the refused ones on standard error."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jobsched.cli.output import print_json, say

if TYPE_CHECKING:
    from jobsched.model.run import Answer


def report(answers: "Sequence[Answer]", done: str, refused: str, *, output: str) -> None:
    """`done` and `refused` are the clauses after `run N`, with `{state}` and `{why}`. Exits with 1 if any was refused."""
    from jobsched.client import why_refused

    if output == "json":
        print_json([as_json(answer) for answer in answers])
    for answer in answers:
        if answer.refused is not None:
            say(f"error: run {answer.id} {refused.format(why=why_refused(answer))}", err=True, fg="red")
        elif output == "table":
            say(f"run {answer.id} {done.format(state=answer.state)}")
    if any(answer.refused is not None for answer in answers):
        raise SystemExit(1)


def as_json(answer: "Answer") -> dict[str, Any]:
    return {
        "id": answer.id,
        "state": None if answer.state is None else str(answer.state),
        "refused": None if answer.refused is None else str(answer.refused),
    }
