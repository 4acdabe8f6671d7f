"""Where else to look when a namespace has nothing: its name may be mistyped, or missing."""

from typing import TYPE_CHECKING

from jobsched.cli.output import say_prose

if TYPE_CHECKING:
    from jobsched.client import Client

_MOST_NAMED = 10


def elsewhere(client: "Client") -> str | None:
    """`nothing was ever synced in 'default'; this database has: shop (use --namespace)`; None if something is or waits here."""
    if client.generations(1) or client.counts():
        return None
    others = client.store.namespaces()
    if not others:
        return None
    named = ", ".join(others[:_MOST_NAMED]) + (" …" if len(others) > _MOST_NAMED else "")
    return f"nothing was ever synced in {client.namespace!r}; this database has: {named} (use --namespace)"


def say_if_elsewhere(client: "Client") -> None:
    """On standard error, beside an answer that would otherwise look as if all were well."""
    told = elsewhere(client)
    if told is not None:
        say_prose(told, err=True, fg="yellow")
