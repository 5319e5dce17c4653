"""By which names the server may be called. Whatever else a browser calls it is refused: a foreign page that has its own
name lead here (DNS rebinding) must read nothing.
"""

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from talkmeter.app.certificates import host_of
from talkmeter.app.tls import Tls

Get = Callable[[str], Any]  # a setting's value by its name


def hosts_of(get: Get, tls: Tls | None) -> tuple[str, ...]:
    """Besides those of loopback, as a `Host` header has them: the one that is listened on, those that are set, and
    those that the certificate is for.
    """
    named = tuple(as_called(host) for host in get("allowed_hosts"))
    host: str = get("host")
    own = () if host == "localhost" or is_everywhere(host) else (as_called(host),)
    return (*own, *named, *(() if tls is None else tls.facts.hosts))


def nameless(get: Get, tls: Tls | None) -> bool:
    """Whether others can reach the server and yet have no name for it that it answers to."""
    return is_everywhere(get("host")) and not hosts_of(get, tls)


def is_everywhere(host: str) -> bool:
    """Whether the setting `host` means all addresses of this machine."""
    try:
        return ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        return False


def as_called(name: str) -> str:
    """A name or an address, as browsers write it into `Host`."""
    bare = name.strip().strip("[]").lower().removesuffix(".")
    try:
        return host_of(str(ip_address(bare)))
    except ValueError:
        return bare
