"""What a certificate says of itself, and making one for a network that no public authority knows.

What is made is signed by an authority of its own whose key is thrown away at once: devices that trust it trust this one
certificate, and nobody can ever sign another. (Some devices accept no certificate that signs itself.)
"""

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from talkmeter.errors import BadInput, Conflict, SettingError

if TYPE_CHECKING:
    from cryptography import x509

CERT_FILE, KEY_FILE, CA_FILE = "tls-cert.pem", "tls-key.pem", "tls-ca.pem"
MOST_DAYS = 825  # the longest that Apple's systems accept of an authority that their user has added
LONGEST_NAME = 253
_DNS_NAME = re.compile(r"(?:\*\.)?(?!-)[A-Za-z0-9_-]{1,63}(?:\.(?!-)[A-Za-z0-9_-]{1,63})*")
EARLIER = timedelta(hours=1)  # for clocks that are late


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


class Made(Struct, frozen=True):
    """What `make_certificate` gives, in PEM. cert: with its authority behind it."""

    cert: bytes
    key: bytes
    ca: bytes
    until: datetime


def make_certificate(names: Sequence[str], days: int) -> Made:
    """For these DNS names and addresses. Raises BadInput for what is neither."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    begin = datetime.now(UTC).replace(microsecond=0) - EARLIER
    until = begin + timedelta(days=days)
    ca_name, name = _named(f"Talkmeter {names[0]} {begin:%Y-%m-%d}"), _named(names[0])

    def built(subject: "x509.Name", public: ec.EllipticCurvePublicKey) -> "x509.CertificateBuilder":
        builder = x509.CertificateBuilder(ca_name, subject, public, x509.random_serial_number())
        return builder.not_valid_before(begin).not_valid_after(until)

    ca = (
        built(ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    cert = (
        built(name, key.public_key())
        .add_extension(x509.SubjectAlternativeName([_general_name(one) for one in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key_pem = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    ca_pem = ca.public_bytes(pem)
    return Made(cert.public_bytes(pem) + ca_pem, key_pem, ca_pem, until)


def write_certificate(made: Made, folder: Path, *, force: bool) -> tuple[Path, Path, Path]:
    """The files of certificate, key (readable by its owner only) and authority.

    Raises Conflict if one is there already, unless `force` says that it may be replaced; SettingError if they cannot
    be written.
    """
    files = folder / CERT_FILE, folder / KEY_FILE, folder / CA_FILE
    there = [file for file in files if file.exists()]
    if there and not force:
        raise Conflict(
            f"{there[0]} exists already.",
            f"{there[0]} 파일이 이미 있습니다.",
            code="certificate_exists",
            hint="--force makes a new certificate in its place; devices must then be told to trust that one.",
            hint_ko="--force로 새로 만들 수 있습니다. 그러면 기기마다 새 인증서를 다시 신뢰하도록 해야 합니다.",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for file, data, mode in zip(files, (made.cert, made.key, made.ca), (0o644, 0o600, 0o644), strict=True):
            _replace(file, data, mode)
    except OSError as error:
        raise SettingError(
            f"The certificate cannot be written to {folder}: {error.strerror}.",
            f"인증서를 {folder}에 저장할 수 없습니다: {error.strerror}.",
            hint="Give --out a folder that this user may write to.",
            hint_ko="--out으로 이 사용자가 쓸 수 있는 폴더를 지정하십시오.",
            code="certificate_not_written",
        ) from None
    return files


def _replace(file: Path, data: bytes, mode: int) -> None:
    """Whole or not at all, and never readable by others for a moment."""
    beside = file.with_name(f"{file.name}.new")
    beside.unlink(missing_ok=True)
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as written:  # noqa: PTH123
        written.write(data)
    beside.replace(file)


def _named(text: str) -> "x509.Name":
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _usage(*, signs: bool) -> "x509.KeyUsage":
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> "x509.GeneralName":
    from cryptography import x509

    try:
        return x509.IPAddress(ip_address(name.strip("[]")))
    except ValueError:
        if not _DNS_NAME.fullmatch(name) or len(name) > LONGEST_NAME:
            raise BadInput(
                f"“{name}” is neither a host name nor an address.",
                f"“{name}”은(는) 호스트 이름도 주소도 아닙니다.",
                code="bad_name",
                hint="Give names as browsers will call the server: talk.local, 192.168.0.7 (no http://, no port).",
                hint_ko="브라우저가 서버를 부를 이름을 적으십시오: talk.local, 192.168.0.7 (http://와 포트 없이).",
            ) from None
        return x509.DNSName(name.lower())
