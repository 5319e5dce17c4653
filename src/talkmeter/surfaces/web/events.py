"""From where a reader of a run's log goes on. A reader that leaves ends the following, never the run."""

import re

from starlette.requests import Request

from talkmeter.errors import BadInput

_SEQ = re.compile(r"[0-9]{1,15}")


def resume_after(request: Request) -> int:
    """The seq the reader has seen: what the browser remembers before what the address says. Raises BadInput."""
    given = request.headers.get("last-event-id") or request.query_params.get("after") or "0"
    if not _SEQ.fullmatch(given, 0):
        raise BadInput("after must be the number of an event.", "after 값은 이벤트 번호여야 합니다.", param="after")
    return int(given)
