"""Text that every store can keep."""

import re

# PostgreSQL keeps no NUL, and neither database keeps a lone surrogate: such a text would make the write itself fail.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    r"""The text with NUL and lone surrogates made visible, as `\u0000` and `\udc80`; the same object where there are none."""
    if text.isascii() and "\x00" not in text:
        return text
    return _UNSTORABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
