"""What machines are called: the header `Host` of a request, and which names and addresses lead where."""

import ipaddress

#: What this machine is called by those who are on it.
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def host_name(header: str) -> str:
    """The name or address without port and brackets, lower case; empty if it cannot be read."""
    host = header.strip().lower()
    if host.startswith("["):
        name, closed, rest = host[1:].partition("]")
        return name if closed and (not rest or _is_port(rest)) else ""
    name, colon, port = host.partition(":")
    return name if not colon or _is_port(f":{port}") else ""


def is_address(name: str) -> bool:
    """Whether it is an IP address. Only another name can be bent to lead here."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether this machine alone can reach it. A name other than localhost may lead anywhere."""
    return host.lower() == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_port(text: str) -> bool:
    return text.startswith(":") and text[1:].isdecimal()
