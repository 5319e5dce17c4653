"""What the page sees of an import: one file that was uploaded, what is being done with it, what came of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

from msgspec import Struct

from talkmeter.conversation.importing.values import Format
from talkmeter.errors import TalkmeterError

State = Literal["uploading", "checking", "importing", "finished", "failed"]


class Upload(Struct, kw_only=True):
    """done of total: how far the step is, in a unit of the source's own. count: conversations so far.

    report: once it is finished. error: once it has failed.
    """

    id: str
    format: Format
    name: str
    state: State = "uploading"
    done: int = 0
    total: int = 0
    count: int = 0
    report: Mapping[str, Any] | None = None
    error: TalkmeterError | None = None


class Uploads(Protocol):
    """One import at a time for everybody."""

    def last(self, user_id: str) -> Upload | None:
        """A user's last one, for as long as the server runs."""
        ...

    async def begin(self, user_id: str, form: Format, name: str) -> tuple[Upload, Path]:
        """A place for the file. Raises Conflict while another import is under way."""
        ...

    async def abandon(self, upload: Upload) -> None:
        """The file has not come."""
        ...

    def start(self, upload: Upload) -> None:
        """The file is there: begins to import it, whether or not anybody waits."""
        ...
