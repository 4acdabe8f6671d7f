"""What a payload may be: a JSON object of at most 1 MiB."""

import json
from collections.abc import Mapping
from typing import Any

from jobsched.errors import PayloadError

LARGEST_PAYLOAD = 1024 * 1024


def check_payload_size(payload: Mapping[str, Any]) -> None:
    """Raise PayloadError if this is no JSON object, or larger than 1 MiB as UTF-8 JSON."""
    if not isinstance(payload, Mapping):
        raise PayloadError(f"a payload is a JSON object, not {type(payload).__name__}")
    try:
        text = json.dumps(payload, ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except UnicodeEncodeError:
        raise PayloadError("the payload holds a lone surrogate: it is no valid text") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise PayloadError(f"the payload is no JSON: {error}") from None
    if size > LARGEST_PAYLOAD:
        raise PayloadError(f"the payload has {size:,} bytes as JSON; at most {LARGEST_PAYLOAD:,} are kept")
