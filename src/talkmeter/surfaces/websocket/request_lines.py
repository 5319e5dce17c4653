"""What the log says of one question on a socket, as of a request of any other door."""

import logging
import time
from typing import Any

from talkmeter.accounts.principals import Principal
from talkmeter.ids import new_id
from talkmeter.surfaces.websocket.visitor import DOOR

log = logging.getLogger(__name__)

LEFT = 499  # the client was gone before the end of its answer


class RequestLine:
    """path: of the handshake. status: as another door would have answered; until it is known the client has left."""

    def __init__(self, path: str) -> None:
        self.status = LEFT
        self._began = time.perf_counter()
        self._about: dict[str, Any] = {"principal": None, "path": path[:200]}

    def by(self, principal: Principal) -> None:
        self._about["principal"] = principal.user_id
        if principal.key is not None:
            self._about["key_id"] = principal.key.id

    def about(self, **facts: str) -> None:
        self._about |= facts

    def write(self) -> None:
        log.log(
            logging.INFO if self.status < 500 else logging.ERROR,
            "request",
            extra={
                "request_id": new_id("req"),
                "surface": DOOR,
                **self._about,
                "status": self.status,
                "milliseconds": round((time.perf_counter() - self._began) * 1000, 1),
            },
        )
