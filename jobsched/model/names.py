"""Names of namespaces, jobs and queues: the same rule wherever one is given."""

import re

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
LONGEST_NAME = 100
_NAME = re.compile(NAME_PATTERN)


def is_name(given: object) -> bool:
    return isinstance(given, str) and len(given) <= LONGEST_NAME and _NAME.fullmatch(given) is not None
