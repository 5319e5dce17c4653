"""/v1/files: what was uploaded, kept in memory."""

import secrets
from typing import Any, NamedTuple

from talkmeter.simulator import checks
from talkmeter.simulator.charging import NOTHING
from talkmeter.simulator.dialect import Dialect
from talkmeter.simulator.faults import Fault
from talkmeter.simulator.jobs import Incoming, Job, Made
from talkmeter.simulator.models import SimModel
from talkmeter.simulator.plain import ObjectDialect, PlainJob
from talkmeter.simulator.refusals import Refusal
from talkmeter.simulator.shapes import seconds
from talkmeter.simulator.wire import Sent

_PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")


class KeptFile(NamedTuple):
    """object_: as OpenAI shows it."""

    object_: dict[str, Any]
    data: bytes


def keep(files: dict[str, KeptFile], name: str, purpose: str, data: bytes) -> KeptFile:
    """Add a file."""
    shown = {
        "id": f"file-{secrets.token_hex(12)}",
        "object": "file",
        "bytes": len(data),
        "created_at": seconds(),
        "expires_at": None,
        "filename": name,
        "purpose": purpose,
        "status": "processed",
        "status_details": None,
    }
    files[str(shown["id"])] = kept = KeptFile(shown, data)
    return kept


class CreateFile(Job):
    """POST /v1/files"""

    def __init__(self, incoming: Incoming, model: SimModel | None) -> None:
        super().__init__(incoming, model)
        purpose = checks.choice(self.body, "purpose", _PURPOSES)
        uploads = incoming.files.get("file", [])
        for name, given in (("purpose", purpose), ("file", uploads)):
            if not given:
                raise checks.missing(name)
        self._purpose, self._upload = str(purpose), uploads[0]

    def make(self, fault: Fault) -> Made:
        kept = keep(self.service.files, self._upload.name, self._purpose, self._upload.data)
        return Made(ObjectDialect(kept.object_), NOTHING, str(kept.object_["id"]), work=Sent())


class ListFiles(PlainJob):
    """GET /v1/files"""

    def make(self, fault: Fault) -> Made:
        purpose = self.query.get("purpose")
        kept = [one.object_ for one in self.service.files.values() if purpose in (None, one.object_["purpose"])]
        return self.listed(kept)


class _OneFile(PlainJob):
    def __init__(self, incoming: Incoming, model: SimModel | None) -> None:
        super().__init__(incoming, model)
        self.file = file_of(self.service.files, self.params["id"])


class ShowFile(_OneFile):
    """GET /v1/files/{id}"""

    def make(self, fault: Fault) -> Made:
        return self.answer(self.file.object_)


class FileContent(_OneFile):
    """GET /v1/files/{id}/content"""

    def make(self, fault: Fault) -> Made:
        return self.free(BytesDialect(self.file.data))


class DeleteFile(_OneFile):
    """DELETE /v1/files/{id}"""

    def make(self, fault: Fault) -> Made:
        file_id = str(self.file.object_["id"])
        self.service.files.pop(file_id, None)
        return self.answer({"id": file_id, "object": "file", "deleted": True})


class BytesDialect(Dialect):
    media_type = "application/octet-stream"

    def __init__(self, data: bytes) -> None:
        self._data = data

    def whole(self, usage: dict[str, Any] | None) -> bytes:
        return self._data

    def tells(self, *, stream: bool) -> bool:
        return False


def file_of(files: dict[str, KeptFile], file_id: str, param: str = "id") -> KeptFile:
    if (kept := files.get(file_id)) is None:
        raise Refusal(404, f"No such File object: {file_id[:200]}", param=param)
    return kept
