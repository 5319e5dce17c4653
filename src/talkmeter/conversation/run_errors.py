"""What a run's error means to who asked, as an HTTP status. Pure.

The error: `{"code", "message", "message_ko", "status", "retry_after"}` as on a message; ours have `http_status` and
`details` besides.
"""

import re
from collections.abc import Mapping
from typing import Any

from talkmeter.clock import SECOND

Error = Mapping[str, Any]

# How servers say it where their code does not: OpenAI, vLLM · Ollama, Gemini · DeepSeek · Mistral · OpenRouter.
_NO_MODEL = re.compile(r"(?i)model.*\b(does not exist|not found|not exist\b)|invalid model\b|not a valid model\b")

BAD_GATEWAY, UNAVAILABLE, TIMED_OUT = 502, 503, 504

INTERRUPTED: Error = {
    "code": "interrupted",
    "message": "The answer was interrupted, since the server was stopped; what had come of it is kept.",
    "message_ko": "서버가 멈추면서 답변이 중단되었습니다. 그때까지 받은 내용은 보관되어 있습니다.",
    "hint": "It stands in the conversation. For another answer ask again, with a new idempotency key if it had one.",
    "hint_ko": "그 내용은 대화에 있습니다. 다른 답변을 받으려면 다시 질문하고, 멱등 키를 썼다면 새 키를 쓰십시오.",
    "status": None,
    "retry_after": None,
    "http_status": UNAVAILABLE,
}


def status_of(error: Error) -> int:
    """Ours as we say it. A provider's refusal of the request is the asker's to put right; whatever it says of its own
    state, or of the key that is ours and not the asker's, is not.
    """
    own = error.get("http_status")
    if own is not None:
        return int(own)
    status = error["status"]
    if status is None:
        return TIMED_OUT if error["code"] == "upstream_silent" else BAD_GATEWAY
    if status in (401, 403, 407) or not 400 <= status < 500:
        return UNAVAILABLE if status in (503, 529) else BAD_GATEWAY
    return int(status)


def told_again(error: Error) -> dict[str, Any]:
    """For whoever repeats a question whose answer was interrupted: to repeat it once more changes nothing."""
    return {**error, "http_status": 409}


def retry_after(error: Error, at: int) -> int | None:
    """Seconds, whole: as the error says, or until the budget begins anew. None where nobody says. at: now, in µs."""
    details = error.get("details", {})
    seconds = error.get("retry_after") or details.get("retry_after")
    if seconds is None and details.get("resets_at") is not None:
        return max(1, -((at - int(details["resets_at"])) // SECOND))
    return None if seconds is None else max(1, round(seconds))


def names_no_model(error: Error) -> bool:
    """Whether the provider does not know the model: then it helps to be told which there are."""
    return error["status"] in (400, 404) and (
        "model_not_found" in str(error["code"]) or _NO_MODEL.search(error["message"]) is not None
    )
