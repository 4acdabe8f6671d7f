"""What a page says of what was done; the address names it, so nobody can make a page say anything else."""

MESSAGES = {
    "triggered": "Triggered: this is the run that was made. With a limit it waits its turn.",
    "paused": "Paused: no slot becomes a run until it is resumed.",
    "resumed": "Resumed: its slots are fired again. Those missed are recorded as skipped.",
    "not_paused": "It was not paused itself, so there was nothing to resume.",
    "cancelled": "Cancelled: a run that waits ends now; one that runs is asked to stop, and ends once its handler obeys.",
    "requeued": "Requeued: it runs again under the same number, with its attempts granted afresh.",
}
