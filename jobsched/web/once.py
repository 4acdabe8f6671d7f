"""`Idempotency-Key`: what is asked for again under a key is not made again; the first answer is given once more."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple, TypeAlias

from fastapi import Depends, Header, Request
from starlette.responses import JSONResponse

from jobsched.client import Client
from jobsched.errors import JobschedError
from jobsched.model.once import MadeOnce, Once
from jobsched.web.problems import Problem

#: Says that an answer is one that was given before.
REPLAYED = "Idempotency-Replayed"
Made: TypeAlias = Mapping[str, Any]


class Answer(NamedTuple):
    """What is answered, so that it can be kept."""

    status: int
    body: Any
    location: str | None = None

    def response(self) -> JSONResponse:
        return JSONResponse(self.body, self.status, {} if self.location is None else {"Location": self.location})


def _once(
    request: Request,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            pattern=r"^[\x21-\x7e]{1,255}$",
            description="Made once under this key, within a day: sent again, it is answered as at first.",
        ),
    ] = None,
) -> Once | None:
    if key is None:
        return None
    client: Client = request.app.state.client
    asked = b"\0".join((request.method.encode(), request.scope["path"].encode(), request.state.body))
    # Of each token its own: nobody is answered what somebody else has asked for.
    own = f"{request.state.caller or ''}:{key}"
    return Once(namespace=client.namespace, key=own, request=hashlib.sha256(asked).hexdigest())


#: What the request is to be made once by, if it says so.
TheOnce: TypeAlias = Annotated[Once | None, Depends(_once)]


def made_once(
    client: Client, once: Once | None, make: Callable[[], Made], tell: Callable[[Made], Answer]
) -> JSONResponse:
    """What `tell` says of what `make` makes, or of what was made under this key before. Raises Problem.

    `make` notes the key in its own transaction. So whatever went wrong afterwards, an answer that was lost too, the key
    tells what was made; and of two requests at the same time one makes it.
    """
    if once is None:
        return tell(make()).response()
    before = client.made_once(once.key)
    if before is None:
        try:
            made = make()
        except JobschedError:
            # Somebody was faster, or it was ourselves, and the commit's answer was lost.
            before = client.made_once(once.key)
            if before is None:
                raise
        else:
            return _settled(client, once, tell(made)).response()
    return _again(client, once, before, tell)


def _again(client: Client, once: Once, before: MadeOnce, tell: Callable[[Made], Answer]) -> JSONResponse:
    if before.request != once.request:
        raise Problem(
            422,
            "idempotency_key",
            "this Idempotency-Key was used within a day for another request; take a new one for each thing to be made",
        )
    kept = before.answer
    answer = _settled(client, once, tell(before.made)) if kept is None else Answer(*kept)
    response = answer.response()
    response.headers[REPLAYED] = "true"
    return response


def _settled(client: Client, once: Once, answer: Answer) -> Answer:
    """The answer that stands: all who ask get the same, also those who asked at the same time."""
    return Answer(*client.keep_answer(once, list(answer)))
