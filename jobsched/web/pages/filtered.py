"""What lists by filters share (/runs, /audit): a form that is sent by GET, and a page at a time, newest first."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Protocol, TypeAlias, TypeVar

from fastapi import Depends, Query

from jobsched.web.problems import Problem
from jobsched.web.routes import TheClient, since_of

PAGE = 50
#: An empty one is none: that is what a form sends.
Filter: TypeAlias = Annotated[str, Query(max_length=4096)]


class _Row(Protocol):
    @property
    def id(self) -> int: ...


R = TypeVar("R", bound=_Row)
Word = TypeVar("Word", bound=StrEnum)


class Asked:
    """What each of these lists is asked: of which job, since when, and for what comes after which row."""

    #: One more than is shown tells whether there are others.
    limit = PAGE + 1

    def __init__(
        self,
        client: TheClient,
        *,
        job: Filter = "",
        since: Filter = "",
        before_id: Annotated[int | None, Query(ge=0, le=2**63 - 1)] = None,
    ) -> None:
        """Raises Problem."""
        self._given = {"job": job.strip(), "since": since}
        self.job: str | None = self._given["job"] or None
        self.since: datetime | None = since_of(since, client) if since else None
        self.before_id = before_id

    def page(self, found: Sequence[R], **filters: str) -> tuple[Sequence[R], dict[str, Any]]:
        """Which of them to show, and what the macros of the form and the pager are told. `filters`: the list's own."""
        shown = found[:PAGE]
        following = shown[-1].id if len(found) > PAGE else None
        return shown, {"filters": {**filters, **self._given}, "before_id": self.before_id, "following": following}


TheAsked: TypeAlias = Annotated[Asked, Depends(Asked)]


def word_of(text: str, words: type[Word], what: str) -> Word | None:
    """None: any. Raises Problem."""
    if text and text not in list(words):
        raise Problem(422, "invalid", f"{text[:40]!r} is no {what}; there are {', '.join(words)}")
    return words(text) if text else None
