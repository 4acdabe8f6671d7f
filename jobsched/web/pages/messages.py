"""What a page says of what was done; the address names it, so nobody can make a page say anything else."""

MESSAGES = {
    "triggered": "Triggered: this is the run that was made. With a limit it waits its turn.",
    "paused": "Paused: no slot becomes a run until it is resumed.",
    "resumed": "Resumed: its slots are fired again. Those missed are recorded as skipped.",
    "not_paused": "It was not paused itself, so there was nothing to resume.",
    "queue_paused": "Paused: none of the queue's runs starts until it is resumed. Those that run go on.",
    "queue_resumed": "Resumed: the queue's runs start again.",
    "all_paused": "Everything is paused: no slot becomes a run, and no run starts, until it is resumed.",
    "all_resumed": "Resumed: slots are fired and runs start again.",
    "cancelled": "Cancelled: a run that waits ends now; one that runs is asked to stop, and ends once its handler obeys.",
    "requeued": "Requeued: it runs again under the same number, with its attempts granted afresh.",
}
