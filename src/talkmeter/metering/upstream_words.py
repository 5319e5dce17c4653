"""A provider's own words about what went wrong, made readable in a room. Pure.

An error in a message is `{"code", "message", "message_ko", "status", "retry_after"}`.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import structs

from talkmeter.errors import UpstreamError
from talkmeter.metering.ledger import SettleEntry
from talkmeter.wording import without_markup

Hide = Callable[[str], str]  # the text without the provider's key

WORDS_LIMIT = 2000  # characters of a provider's text that are kept


def error_of_refusal(status: int, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """An error status with its body: OpenAI's error object, any JSON with a message, a web page, or plain text."""
    code, words = _words(body)
    words = _writable(words[:WORDS_LIMIT]).strip() or "(no text)"
    return {
        "code": _writable(code or f"http_{status}"),
        "message": f"The provider answered {status}: {words}",
        "message_ko": f"제공자가 {status} 오류로 답했습니다: {words}",
        "status": status,
        "retry_after": _seconds(headers.get("retry-after")),
    }


def error_of_answer(error: dict[str, Any], hide: Hide) -> dict[str, Any]:
    """An error object that came with status 200, hidden before its words are cut to their limit."""
    return error_of_refusal(200, {}, hide(json.dumps({"error": error})).encode())


def without_key(change: SettleEntry, hide: Hide) -> SettleEntry:
    """What an upstream says of a call may quote the key that came with it; it is not kept."""
    # One look at all of it. What was not told reads None, which at worst costs a second look.
    told = f"{change.raw_usage}\n{change.model_served}\n{change.finish_reason}\n{change.problem}"
    if change.error is None and hide(told) == told:
        return change
    said = {name: getattr(change, name) for name in ("raw_usage", "model_served", "finish_reason", "problem")}
    kept = {name: text if text is None else hide(text) for name, text in said.items()}
    error = change.error and {
        name: hide(part) if isinstance(part, str) else part for name, part in change.error.items()
    }
    return structs.replace(change, error=error, **kept)


def error_of_stream(error: UpstreamError) -> dict[str, Any]:
    return {
        "code": error.code,
        "message": error.message if not error.hint else f"{error.message} {error.hint}",
        "message_ko": error.message_ko if not error.hint_ko else f"{error.message_ko} {error.hint_ko}",
        "status": None,
        "retry_after": None,
    }


def unreadable(code: str, limit: int) -> dict[str, Any]:
    """The upstream sent what no answer can be: too large, too long, or not the API's language."""
    english = {
        "event_too_large": f"The provider sent one event of more than {limit} bytes; reading was ended.",
        "answer_too_long": f"The answer passed {limit} characters; reading was ended.",
        "not_an_answer": "What the provider sent is no answer of the API; perhaps a web page answers there. "
        "Does the base URL end in the API's root, such as /v1?",
        "ended_early": "The provider's stream ended before the answer was finished.",
        "stream_unreadable": "The provider's stream was not readable (malformed events); reading was ended.",
    }
    korean = {
        "event_too_large": f"제공자가 {limit}바이트를 넘는 이벤트를 보내 수신을 중단했습니다.",
        "answer_too_long": f"답변이 {limit}자를 넘어 수신을 중단했습니다.",
        "not_an_answer": "제공자가 보낸 것은 API의 응답이 아닙니다. 웹 페이지가 응답했을 수 있습니다. "
        "기본 URL이 /v1 같은 API의 뿌리로 끝나는지 확인하십시오.",
        "ended_early": "답변이 끝나기 전에 제공자의 스트림이 끝났습니다.",
        "stream_unreadable": "제공자의 스트림을 해석할 수 없어(잘못된 이벤트) 수신을 중단했습니다.",
    }
    return {
        "code": code,
        "message": english[code],
        "message_ko": korean[code],
        "status": None,
        "retry_after": None,
    }


def _words(body: bytes) -> tuple[str | None, str]:
    text = body.decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None, without_markup(text)
    error = value.get("error", value) if isinstance(value, dict) else value
    if not isinstance(error, dict):
        return None, str(error)
    code = error.get("code") or error.get("type")
    message = error.get("message") or error.get("detail")
    return (str(code) if code else None), str(message) if message else text


def _writable(text: str) -> str:
    """Halves of characters, which JSON can tell and no database can hold, become U+FFFD: the call has to be settled."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _seconds(retry_after: str | None) -> int | None:
    """Retry-After in whole seconds; a date is left to the reader."""
    return int(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else None
