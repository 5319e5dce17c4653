"""What a certificate says of itself, and making one for a network without a certificate authority."""

from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from msgspec import Struct

from talkmeter.errors import SettingError


class Facts(Struct, frozen=True):
    """names: those it is for, DNS names before addresses. until: its last moment."""

    names: tuple[str, ...]
    until: datetime

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names as a `Host` header has them: without wildcards, IPv6 addresses in brackets."""
        return tuple(host_of(name) for name in self.names if "*" not in name)

    def days_left(self) -> int:
        """Whole days; negative once it has ended."""
        return (self.until - datetime.now(UTC)).days


def facts_of(pem: bytes, path: Path) -> Facts:
    """Of the first certificate. path: for the error. Raises SettingError."""
    from cryptography import x509

    try:
        first = x509.load_pem_x509_certificate(pem)
        names = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return Facts((), first.not_valid_after_utc)
    except ValueError as error:
        raise SettingError(
            f"The file {path} cannot be used for TLS: {error}.",
            f"파일 {path}을(를) TLS에 쓸 수 없습니다: {error}.",
            code="tls_unusable",
            param="tls_cert",
        ) from None
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return Facts((*names.get_values_for_type(x509.DNSName), *addresses), first.not_valid_after_utc)


def host_of(name: str) -> str:
    """As a URL or a `Host` header has it."""
    try:
        return f"[{name}]" if ip_address(name).version == 6 else name
    except ValueError:
        return name.lower()
