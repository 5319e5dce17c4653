"""What a driver's error means for those who wait: which error they get, and whether the store can go on.

PostgreSQL's driver names the server's address, its user and values of rows: the log has its words, whoever waits gets
the code of the error.

SQLite's result codes: sqlite.org/rescode.html. PostgreSQL's: Appendix A of its manual.
"""

import logging
import sqlite3
from enum import Enum
from typing import Any

from talkmeter.errors import BadInput, StoreBusy, StoreError, StoreFull, TalkmeterError
from talkmeter.store.ballast import ROOM_AGAIN

log = logging.getLogger(__name__)


class Effect(Enum):
    """What an error has done to the store."""

    REFUSED = "this commit only"
    BUSY = "nothing was begun"
    FULL = "no room on the disk"
    LOST = "the connection is gone"
    BROKEN = "nothing further may be written"


_SQLITE_BROKEN = {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOLFS,
}
_POSTGRES_BROKEN = ("XX001", "XX002", "58030", "25006")  # corrupted data or index, I/O error, read-only
_POSTGRES_FULL = ("53100",)
_POSTGRES_BUSY = ("55P03", "40P01", "40001", "53300", "57014")  # lock time-out, deadlock, too many connections
_POSTGRES_LOST = ("08", "57P")


def effect(error: BaseException) -> Effect:
    """The effect of an error raised by a driver, or by a function that applies a change."""
    if isinstance(error, sqlite3.Error):
        return _sqlite_effect(error)
    if _is_psycopg(error):
        return _postgres_effect(error)
    return Effect.REFUSED


def as_ours(error: BaseException, about: str, *, whole: bool = False) -> BaseException:
    """The error that a caller gets: one of ours for a driver's, itself otherwise. about: the database, for people.

    whole: with the driver's own words, for whoever starts the server.
    """
    if isinstance(error, TalkmeterError):
        return error
    if isinstance(error, OverflowError) or _sqlstate(error) == "22003":
        ours: TalkmeterError = BadInput(
            "A figure is too large to be stored (63 bits).",
            "저장하기에 너무 큰 수가 있습니다 (63비트).",
            code="figure_out_of_range",
        )
    elif isinstance(error, UnicodeEncodeError) or _is_of_nul(error):
        ours = BadInput(
            "A text contains a character that no database holds (U+0000, or half of a surrogate pair).",
            "데이터베이스에 저장할 수 없는 문자(U+0000 또는 짝이 없는 서로게이트)가 텍스트에 있습니다.",
            code="unstorable_text",
        )
    elif not isinstance(error, sqlite3.Error) and not _is_psycopg(error):
        return error
    else:
        reason = str(error).strip() if whole else reason_of(error)
        ours = _ours(effect(error), reason, about)
        if not whole:
            log.warning("database_error", extra={"database": about, "code": ours.code, "reason": _logged(error)})
    ours.__cause__ = error
    return ours


_ON_VALUES = ("22", "23")  # SQLSTATE's classes: values that cannot be, and rows that may not be


def _logged(error: BaseException) -> str:
    """PostgreSQL's words on values quote what people wrote (the row that was refused); where it was says enough."""
    if not _is_psycopg(error) or not (_sqlstate(error) or "").startswith(_ON_VALUES):
        return str(error).strip()
    about = getattr(error, "diag", None)
    places = [getattr(about, f"{name}_name", None) for name in ("table", "column", "constraint")]
    return " ".join([type(error).__name__, reason_of(error), *[place for place in places if place]])


def reason_of(error: BaseException) -> str:
    """A driver's error in words that anybody may read."""
    if _is_psycopg(error):
        return f"SQLSTATE {_sqlstate(error) or 'none'}"
    return str(error).strip()


def _ours(what: Effect, reason: str, about: str) -> StoreError:
    if what is Effect.FULL:
        return full(about)
    if what is Effect.BUSY:
        return StoreBusy(
            f"The database {about} is held by another process ({reason}).",
            f"다른 프로세스가 데이터베이스 {about}을(를) 사용하고 있습니다 ({reason}).",
            hint="Try again in a moment; end a sqlite3 shell or a backup that holds it.",
            hint_ko="잠시 후 다시 시도하십시오. 데이터베이스를 잡고 있는 sqlite3 셸이나 백업을 끝내십시오.",
            details={"retry_after": 1},
        )
    if what is Effect.BROKEN:
        return broken(about, reason)
    if what is Effect.LOST:
        return StoreError(
            f"The connection to the database {about} was lost ({reason}); it is not known whether this was stored.",
            f"데이터베이스 {about}과(와)의 연결이 끊어졌습니다 ({reason}). 저장되었는지 알 수 없습니다.",
            hint="Look whether it is there before you try again.",
            hint_ko="다시 시도하기 전에 저장되었는지 확인하십시오.",
        )
    return refused(about, reason)


def refused(about: str, reason: str) -> StoreError:
    return StoreError(
        f"The database {about} refused a statement ({reason}).",
        f"데이터베이스 {about}이(가) 명령을 거부했습니다 ({reason}).",
        hint="This is a fault of Talkmeter's: please report it with the log around it.",
        hint_ko="Talkmeter의 오류입니다. 앞뒤 로그와 함께 알려 주십시오.",
    )


def full(about: str) -> StoreFull:
    return StoreFull(
        f"The disk that holds {about} is full: nothing new is sent until there is room again.",
        f"{about}이(가) 있는 디스크가 가득 찼습니다. 공간이 생길 때까지 새 요청을 보내지 않습니다.",
        hint=f"Free at least {ROOM_AGAIN // 1_000_000 + 1} MB there; Talkmeter goes on by itself.",
        hint_ko=f"그 디스크를 {ROOM_AGAIN // 1_000_000 + 1}MB 이상 비우면 저절로 다시 작동합니다.",
    )


def broken(about: str, reason: str) -> StoreError:
    return StoreError(
        f"The database {about} failed ({reason}); nothing is written until Talkmeter has been restarted.",
        f"데이터베이스 {about}에 오류가 발생했습니다 ({reason}). Talkmeter를 다시 시작할 때까지 기록하지 않습니다.",
        code="store_broken",
        hint="Check the disk and the system log, then restart; keep a copy of the data directory first.",
        hint_ko="디스크와 시스템 로그를 확인하고, 먼저 데이터 폴더를 복사한 뒤 다시 시작하십시오.",
    )


def cannot_open(about: str, error: OSError) -> StoreError:
    return StoreError(
        f"The database {about} cannot be opened ({error.strerror or error}).",
        f"데이터베이스 {about}을(를) 열 수 없습니다 ({error.strerror or error}).",
        hint="Check the path and who may write there.",
        hint_ko="경로와 쓰기 권한을 확인하십시오.",
    )


def closed(about: str) -> StoreError:
    return StoreError(
        f"The store {about} has been closed.",
        f"저장소 {about}이(가) 닫혔습니다.",
        code="store_closed",
        hint="Talkmeter is shutting down; try again once it is up.",
        hint_ko="Talkmeter가 종료 중입니다. 다시 시작된 뒤 시도하십시오.",
    )


def _sqlite_effect(error: sqlite3.Error) -> Effect:
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return Effect.FULL
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Effect.BUSY
    if primary in _SQLITE_BROKEN:
        return Effect.BROKEN
    return Effect.REFUSED


def _postgres_effect(error: BaseException) -> Effect:
    state = _sqlstate(error)
    if state is None:  # raised on our side: the socket is closed, or the value could not be sent
        return Effect.LOST if type(error).__name__ == "OperationalError" else Effect.REFUSED
    for prefixes, what in (
        (_POSTGRES_BROKEN, Effect.BROKEN),
        (_POSTGRES_FULL, Effect.FULL),
        (_POSTGRES_BUSY, Effect.BUSY),
        (_POSTGRES_LOST, Effect.LOST),
    ):
        if state.startswith(prefixes):
            return what
    return Effect.REFUSED


def _is_psycopg(error: BaseException) -> bool:
    # By name, so that psycopg is imported only where PostgreSQL is used.
    return any(base.__module__ == "psycopg" and base.__name__ == "Error" for base in type(error).__mro__)


def _is_of_nul(error: BaseException) -> bool:
    """Whether psycopg has refused to send a text for that."""
    return _is_psycopg(error) and _sqlstate(error) is None and "NUL" in str(error)


def _sqlstate(error: BaseException) -> Any:
    return getattr(error, "sqlstate", None)
