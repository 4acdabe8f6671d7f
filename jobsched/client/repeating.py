"""What a client is asked for again: what was made under an idempotency key, and what was answered."""

from typing import Any

from jobsched.client.opened import Opened
from jobsched.model.once import MadeOnce, Once


class Repeating(Opened):
    """Idempotency keys, which `create_job`, `enqueue_many` and `trigger` take as `once`."""

    def made_once(self, key: str) -> MadeOnce | None:
        """What was made under an idempotency key of late."""
        return self.store.made_once(self.namespace, key)

    def keep_answer(self, once: Once, answer: Any) -> Any:
        """Keep what is answered for what was made under a key; the answer that stands, which is the first one kept."""
        return self.store.keep_answer(once, answer)
