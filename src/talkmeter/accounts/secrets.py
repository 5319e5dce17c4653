"""Provider keys at rest: AES-256-GCM, the row's id and the key's purpose as associated data.

So no ciphertext fits another row, and none that may only read the books is ever taken for a key that calls.
"""

import base64
import binascii
import logging
import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from talkmeter.accounts.store import AccountStore, ProviderAccount, SaveProvider, SealedKey
from talkmeter.errors import SettingError

log = logging.getLogger(__name__)

Purpose = Literal["key", "admin key", "text"]  # of an answer under way

KEY_BYTES = 32
NONCE_BYTES = 12
SHORTEST_WITH_HINT = 16  # of a shorter key, four characters would tell too much


class Sealer:
    """Seals and opens provider keys.

    key: 32 bytes, or None while there is no key file yet; then the first seal makes `key_file`
    (mode 0600, refused if something appeared there in between).
    """

    def __init__(self, key: bytes | None, key_file: Path) -> None:
        self._key = key
        self._key_file = key_file

    def __repr__(self) -> str:
        return f"Sealer(key_file={str(self._key_file)!r})"

    def make_key(self) -> None:
        """Before others need it: two processes that make one at once would be in each other's way."""
        if self._key is None:
            self._key = make_key_file(self._key_file)

    def seal(self, row_id: str, secret: str, purpose: Purpose = "key") -> SealedKey:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self.make_key()
        assert self._key is not None
        nonce = secrets.token_bytes(NONCE_BYTES)
        ciphertext = AESGCM(self._key).encrypt(nonce, secret.encode(), _associated(row_id, purpose))
        return SealedKey(nonce, ciphertext, hint_of(secret))

    def open(self, row_id: str, sealed: SealedKey, purpose: Purpose = "key") -> str:
        """The key in clear. Raises SettingError if our key is missing or another one, or the row was altered."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if self._key is None:
            raise key_missing(self._key_file)
        try:
            return AESGCM(self._key).decrypt(sealed.nonce, sealed.ciphertext, _associated(row_id, purpose)).decode()
        except InvalidTag:
            raise key_wrong(self._key_file) from None

    def check(self, accounts: Iterable[ProviderAccount]) -> None:
        """Raises SettingError unless every sealed key opens. A start with the wrong key is refused."""
        for account in accounts:
            if account.key is not None:
                self.open(account.id, account.key)
            if account.admin_key is not None:
                self.open(account.id, account.admin_key, "admin key")


async def rotate(store: AccountStore, old: Sealer, new: Sealer) -> int:
    """Seals every provider key anew in one transaction; returns how many. Raises SettingError if `old` is wrong."""
    changes, count = [], 0
    for account in await store.providers():
        key, admin_key = account.key, account.admin_key
        if key is not None:
            key, count = new.seal(account.id, old.open(account.id, key)), count + 1
        if admin_key is not None:
            opened = old.open(account.id, admin_key, "admin key")
            admin_key, count = new.seal(account.id, opened, "admin key"), count + 1
        if key is not None or admin_key is not None:
            changes.append(SaveProvider(replace(account, key=key, admin_key=admin_key)))
    if changes:
        await store.commit(*changes)
    return count


def openable(account: ProviderAccount, sealer: Sealer) -> ProviderAccount:
    """The account without the keys that do not open."""
    for name, alone in (
        ("key", replace(account, admin_key=None)),
        ("admin_key", replace(account, key=None)),
    ):
        try:
            sealer.check([alone])
        except SettingError:
            account = replace(account, **{name: None})
    return account


def load_key(setting: str | None, key_file: Path) -> bytes | None:
    """The key from the setting (base64), else from the key file; None if there is neither. Raises SettingError."""
    if setting is not None:
        return _decode(setting, "encryption_key", "the setting encryption_key")
    try:
        text = key_file.read_bytes().decode("latin-1")  # whatever is no base64 is refused below
        _warn_if_open(key_file)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingError(
            f"The key file {key_file} cannot be read: {error.strerror}.",
            f"키 파일 {key_file}을(를) 읽을 수 없습니다: {error.strerror}.",
            hint="Give it back to the user that runs Talkmeter, or restore it from a backup.",
            hint_ko="Talkmeter를 실행하는 사용자가 읽을 수 있게 하거나 백업에서 되돌리십시오.",
            code="key_file_unreadable",
            param="key_file",
        ) from None
    return _decode(text, "key_file", f"the key file {key_file}")


def _warn_if_open(key_file: Path) -> None:
    """A copied data directory loses the mode; a mounted secret may have another on purpose, so it is only told."""
    if os.name == "posix" and stat.S_IMODE(key_file.stat().st_mode) & 0o077:
        log.warning("key_file_open_to_others", extra={"key_file": str(key_file), "hint": f"chmod 600 {key_file}"})


def make_key_file(key_file: Path) -> bytes:
    """Writes a new random key, readable by its owner only, never over an existing file; durable on return."""
    key = secrets.token_bytes(KEY_BYTES)
    key_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        handle = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise SettingError(
            f"The key file {key_file} cannot be made: {error.strerror}.",
            f"키 파일 {key_file}을(를) 만들 수 없습니다: {error.strerror}.",
            hint="Check the folder's permissions and the free space on its disk; then restart Talkmeter.",
            hint_ko="폴더의 권한과 디스크의 빈 공간을 확인한 뒤 Talkmeter를 다시 시작하십시오.",
            code="key_file_unwritable",
            param="key_file",
        ) from None
    with os.fdopen(handle, "wb") as file:
        file.write(base64.b64encode(key) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(key_file.parent)
    return key


def hint_of(secret: str) -> str:
    """The last four characters, or nothing where they would tell too much."""
    return secret[-4:] if len(secret) >= SHORTEST_WITH_HINT else ""


def key_missing(key_file: Path) -> SettingError:
    return SettingError(
        f"The database holds encrypted provider keys, but the key that opens them is missing ({key_file}).",
        f"데이터베이스에 암호화된 제공자 키가 있지만 이를 여는 키가 없습니다 ({key_file}).",
        hint="Put the key file back, or set TALKMETER_ENCRYPTION_KEY. If it is lost for good, "
        "`talkmeter forget-keys` removes the encrypted keys and you enter them again; nothing else is lost.",
        hint_ko="키 파일을 되돌려 놓거나 TALKMETER_ENCRYPTION_KEY를 설정하십시오. 키를 완전히 잃었다면 "
        "`talkmeter forget-keys`로 암호화된 키를 지우고 다시 입력하십시오. 다른 데이터는 그대로입니다.",
        code="key_missing",
        param="key_file",
    )


def key_wrong(key_file: Path) -> SettingError:
    return SettingError(
        f"The encryption key ({key_file} or TALKMETER_ENCRYPTION_KEY) is not the one that sealed the provider keys.",
        f"암호화 키({key_file} 또는 TALKMETER_ENCRYPTION_KEY)가 제공자 키를 잠근 키와 다릅니다.",
        hint="Use the key that belongs to this database. If it is lost for good, "
        "`talkmeter forget-keys` removes the encrypted keys and you enter them again; nothing else is lost.",
        hint_ko="이 데이터베이스에 맞는 키를 쓰십시오. 키를 완전히 잃었다면 `talkmeter forget-keys`로 "
        "암호화된 키를 지우고 다시 입력하십시오. 다른 데이터는 그대로입니다.",
        code="key_wrong",
        param="key_file",
    )


def _decode(text: str, param: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) == KEY_BYTES:
        return key
    raise SettingError(
        f"What {where} holds is not an encryption key.",
        f"{param}에 있는 것은 암호화 키가 아닙니다.",
        hint="It must be 32 bytes in base64, as `openssl rand -base64 32` prints them.",
        hint_ko="`openssl rand -base64 32`가 출력하는 것처럼 base64로 적은 32바이트여야 합니다.",
        code="bad_encryption_key",
        param=param,
    )


def _associated(row_id: str, purpose: Purpose) -> bytes:
    return f"talkmeter provider {purpose} {row_id}".encode()


def _sync_folder(folder: Path) -> None:
    """So that the new name survives a power cut; Windows has no such call and needs none."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
