"""Which names a scrape may ask for: a page of another site whose name was bent to lead here is refused."""

import ipaddress
from collections.abc import Collection


def is_loopback(address: str) -> bool:
    """Whether this machine alone can reach it. A name other than localhost may lead anywhere."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def host_name(header: str) -> str:
    """The name or address in a header `Host`, lower case, without port and brackets."""
    host = header.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def serves(name: str, also: Collection[str]) -> bool:
    """Whether a request for this name is answered: localhost, any IP address, since only a name can be bent, and those of `also`.

    `*` among these is every name.
    """
    if name == "localhost" or name in also or "*" in also:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
