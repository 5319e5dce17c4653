"""Who calls, and what beside: read from a call's connection and metadata. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from talkmeter.accounts import entrance
from talkmeter.accounts.entrance import Caller

DOOR = "grpc"
PROXIED = frozenset({"forwarded", "x-forwarded-for", "via"})

Metadata = Mapping[str, str]  # names in lower case; of a name that comes twice, the first


def metadata_of(pairs: Iterable[Any]) -> Metadata:
    """Of pairs of a name and a value; binary values are left out, none is read here."""
    read: dict[str, str] = {}
    for name, value in pairs:
        if isinstance(value, str):
            read.setdefault(name, value)
    return read


def caller_of(peer: str, metadata: Metadata) -> Caller:
    """peer: as gRPC names it, such as `ipv4:127.0.0.1:5432`, `ipv6:%5B::1%5D:5432`."""
    return Caller(
        address=address_of(peer),
        token=token_of(metadata),
        proxied=not PROXIED.isdisjoint(metadata),
    )


def address_of(peer: str) -> str | None:
    """None where it is no address of the internet."""
    family, _, where = unquote(peer).partition(":")
    if family not in ("ipv4", "ipv6"):
        return None
    return where.rpartition(":")[0].strip("[]")


def token_of(metadata: Metadata) -> str | None:
    """As entrance.token_of; else whatever is in `x-api-key`."""
    token = entrance.token_of({name.encode(): text.encode("latin-1", "replace") for name, text in metadata.items()})
    return token or metadata.get("x-api-key", "").strip() or None
