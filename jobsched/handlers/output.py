"""What a process writes, on its way to the log of its run: decoded, by lines, without secrets, its memory bounded."""

import codecs
from typing import TYPE_CHECKING

from jobsched.model.text import storable

if TYPE_CHECKING:
    from jobsched.handlers.call import LogSink
    from jobsched.handlers.secrets import Secrets

_MAX_LINE = 8192
_TAIL = 4096
_TAIL_LINES = 10


class Output:
    """One stream: whole lines are handed to the log, many at a time; its last ones are kept for an error."""

    def __init__(self, stream: str, log: "LogSink", secrets: "Secrets") -> None:
        self._stream, self._log, self._secrets = stream, log, secrets
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = ""
        self._tail = ""

    def feed(self, chunk: bytes) -> None:
        text = self._begun + self._decoder.decode(chunk)
        end = text.rfind("\n") + 1
        # An endless line goes on in pieces, none of which ends within a secret: the log cuts it.
        if len(text) - end > _MAX_LINE:
            end = max(end, self._secrets.settled(text))
        self._begun = text[end:]
        if end:
            self._write(text[:end])

    def close(self) -> None:
        rest = self._begun + self._decoder.decode(b"", final=True)
        if rest:
            self._write(rest + "\n")

    def tail(self) -> str:
        """The last lines, as they fit into an error; to be asked for after `close`."""
        return storable("\n".join(self._tail.rstrip().splitlines()[-_TAIL_LINES:]))

    def _write(self, text: str) -> None:
        text = self._secrets.redact(text)
        # Kept redacted: of a secret cut in two neither half would be found.
        self._tail = (self._tail + text[-_TAIL:])[-_TAIL:]
        self._log.write(self._stream, text)
