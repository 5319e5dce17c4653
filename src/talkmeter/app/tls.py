"""The certificate of this server: read from files, read again when they change, given to whatever listens.

One object serves every port. A server on asyncio takes `context()` for each connection that it accepts, so that a new
certificate, key or list of client CAs counts from the next connection on and nobody is cut off. gRPC, which does its
own handshakes, takes `grpc_credentials()` and asks with `revision` whether there are newer ones.
"""

import asyncio
import logging
import ssl
from pathlib import Path

from msgspec import Struct

from talkmeter.app.certificates import Facts, facts_of
from talkmeter.config import Resolved
from talkmeter.errors import SettingError

log = logging.getLogger(__name__)

WATCH_SECONDS = 1.0
TRIES = 5  # to read files that change just then
LARGEST_FILE = 1_000_000  # bytes

Stamp = tuple[tuple[int, int, int], ...]


class TlsFiles(Struct, frozen=True):
    """PEM files. cert: with the chain. key: may be the same file. client_ca: who signs the certificates of clients."""

    cert: Path
    key: Path
    client_ca: Path | None = None


class GrpcPieces(Struct, frozen=True):
    """What `grpc.ssl_server_credentials` takes, in PEM. client_ca: clients must have a certificate signed by it."""

    chain: bytes
    key: bytes
    client_ca: bytes | None = None


class _Loaded(Struct, frozen=True):
    context: ssl.SSLContext
    pieces: GrpcPieces
    facts: Facts
    stamp: Stamp


class Tls:
    """Raises SettingError if the files cannot be used. revision: grows whenever newer files have been read."""

    def __init__(self, files: TlsFiles) -> None:
        self.files = files
        self.revision = 1
        self._loaded = _load(files)
        self._refused: Stamp = ()

    def context(self) -> ssl.SSLContext:
        """For the next connection: TLS 1.2 or newer, HTTP/1.1 by ALPN; with client CAs only who has a certificate."""
        return self._loaded.context

    def grpc_credentials(self) -> GrpcPieces:
        """The newest files, as they were read together."""
        return self._loaded.pieces

    @property
    def facts(self) -> Facts:
        """The names and the end of the certificate."""
        return self._loaded.facts

    def reload(self) -> bool:
        """Reads the files again if they have changed; whether there is something new.

        Raises SettingError, once for each state of the files, if they cannot be used: then all stays as it was.
        """
        stamp = _stamp(self.files)
        if stamp in (self._loaded.stamp, self._refused):
            return False
        try:
            self._loaded = _load(self.files)
        except SettingError:
            self._refused = stamp
            raise
        self._refused = ()
        self.revision += 1
        return True


def open_tls(resolved: Resolved) -> Tls | None:
    """What the settings tls_cert, tls_key and tls_client_ca name; None: plain HTTP. Raises SettingError."""
    cert, key, client_ca = (resolved.get(name) for name in ("tls_cert", "tls_key", "tls_client_ca"))
    if cert is None:
        for name, given in (("tls_key", key), ("tls_client_ca", client_ca)):
            if given is not None:
                raise SettingError(
                    f"The setting {name} is of no use without tls_cert.",
                    f"설정 {name}은(는) tls_cert 없이는 쓸 수 없습니다.",
                    hint="Name the certificate's file in tls_cert, too; `talkmeter cert` makes one.",
                    hint_ko="tls_cert에 인증서 파일도 지정하십시오. `talkmeter cert`로 만들 수 있습니다.",
                    code="tls_incomplete",
                    param=name,
                )
        return None
    return Tls(TlsFiles(cert, cert if key is None else key, client_ca))


async def watch(tls: Tls, seconds: float = WATCH_SECONDS) -> None:
    """Until it is cancelled: takes up files that change."""
    while True:
        await asyncio.sleep(seconds)
        try:
            if await asyncio.to_thread(tls.reload):
                log.info("tls_reloaded", extra={"names": list(tls.facts.names), "until": tls.facts.until.isoformat()})
        except SettingError as error:
            log.error("tls_not_reloaded", extra={"reason": error.message})


def _load(files: TlsFiles) -> _Loaded:
    """All of them as they stood at one moment."""
    for _ in range(TRIES):
        before = _stamp(files)
        chain, key = _read(files.cert, "tls_cert"), _read(files.key, "tls_key")
        client_ca = None if files.client_ca is None else _read(files.client_ca, "tls_client_ca")
        context = _context(files)
        if _stamp(files) == before:
            return _Loaded(context, GrpcPieces(chain, key, client_ca), facts_of(chain, files.cert), before)
    raise _unusable(files.cert, "tls_cert", "it is being written all the time")


def _context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(files.cert, files.key, password=_no_password)
    except _PasswordWanted:
        raise _unusable(
            files.key, "tls_key", "the key is encrypted, and nobody could be asked for its password"
        ) from None
    except ssl.SSLError as error:
        raise _unusable_pair(files, error) from None
    except OSError as error:  # it was there a moment ago
        raise _unusable(files.cert, "tls_cert", error.strerror or str(error)) from None
    if files.client_ca is not None:
        try:
            context.load_verify_locations(cafile=files.client_ca)
        except OSError:
            raise _unusable(files.client_ca, "tls_client_ca", "it holds no certificate in PEM") from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class _PasswordWanted(Exception):
    pass


def _no_password() -> str:
    raise _PasswordWanted


def _read(path: Path, setting: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise _unusable(path, setting, error.strerror or str(error)) from None
    if len(data) > LARGEST_FILE:
        raise _unusable(path, setting, "it is too large")
    return data


def _stamp(files: TlsFiles) -> Stamp:
    """Changes when a file is written, replaced, removed, or linked to another."""
    return tuple(_stamp_of(path) for path in (files.cert, files.key, files.client_ca) if path is not None)


def _stamp_of(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_size)


def _unusable_pair(files: TlsFiles, error: ssl.SSLError) -> SettingError:
    if error.reason == "KEY_VALUES_MISMATCH":
        return _unusable(files.key, "tls_key", f"it is not the key of {files.cert}")
    if b"PRIVATE KEY-----" not in _read(files.key, "tls_key"):
        return _unusable(files.key, "tls_key", "it holds no private key in PEM")
    return _unusable(files.cert, "tls_cert", f"it holds no certificate in PEM ({error.reason or error})")


def _unusable(path: Path, setting: str, why: str) -> SettingError:
    return SettingError(
        f"The file {path} cannot be used for TLS: {why}.",
        f"파일 {path}을(를) TLS에 쓸 수 없습니다: {why}.",
        hint=f"{setting} names a PEM file that this user can read; `talkmeter cert` makes a certificate and its key.",
        hint_ko=f"{setting}에는 이 사용자가 읽을 PEM 파일을 적습니다. 인증서와 키는 `talkmeter cert`로 만듭니다.",
        code="tls_unusable",
        param=setting,
    )
