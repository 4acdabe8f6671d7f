"""Bounds for labels: names come from files and programs, and each value of a label is a series that Prometheus keeps."""

import threading

#: So many values of each kind have series of their own.
MOST = 200
#: What the others share. No job can be called so.
OTHER = "_other"


class Limited:
    """The first names that come keep their own value, those that come once there are enough of them are OTHER. Thread-safe."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def of(self, namespace: str, name: str) -> str:
        """The value for this name; empty for no name."""
        known = (namespace, name)
        if not name or known in self._known:
            return name
        with self._lock:
            if len(self._known) >= self._most:
                return OTHER
            self._known.add(known)
        return name

    def known(self, namespace: str) -> list[str]:
        """The names of a namespace that have a value of their own."""
        with self._lock:
            return sorted(name for of, name in self._known if of == namespace)


class Limits:
    """Those of one exposition: the same name has the same value in all its metrics."""

    def __init__(self, most: int = MOST) -> None:
        self.jobs, self.handlers, self.queues = Limited(most), Limited(most), Limited(most)

    def who(self, namespace: str, job: str | None, handler: str) -> tuple[str, str, str]:
        """Namespace, job and handler; the handler is of ad-hoc runs alone, and of one that is no function its kind."""
        if job is not None:
            return namespace, self.jobs.of(namespace, job), ""
        # A command as it is stored: {"command":[…]}. What it says is nobody's business here.
        name = handler.split('"', 2)[1] if handler.startswith('{"') else handler
        return namespace, "", self.handlers.of(namespace, name)
