"""What became of a slot, in a clause for people: the same words on the command line and on a page."""

#: By `Unrecorded`.
UNRECORDED = {
    "no_slot": "no slot of its schedule",
    "suspended": "it is suspended: nothing is fired",
    "paused": "held by a pause: it is skipped when the job is resumed",
    "to_come": "its time has not come",
    "unaccounted": "not accounted for yet: no node has fired it; see: jobsched status",
    "forgotten": "nothing is recorded: the job or its schedule is newer, or the row was pruned or deleted",
}
#: By the reason of a skipped run.
SKIPPED = {
    "overlap": "as many runs as its limit allows were unfinished",
    "misfire": "it could not start in time: see its catch_up and its starting_deadline",
    "paused": "its job was paused, or suspended",
    "calendar": "its calendar excludes it",
    "coalesced": "a newer slot was found at the same time, and ran",
}
