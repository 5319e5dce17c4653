"""A store that takes everything but changes of one kind."""

from typing import Any

import pytest
from msgspec import Struct


def refuse(monkeypatch: pytest.MonkeyPatch, store: Any, kind: type[Struct], error: Exception) -> None:
    """From now on a commit with such a change raises the error."""
    commit = store.commit

    async def refusing(*changes: Struct) -> None:
        if any(isinstance(change, kind) for change in changes):
            raise error
        await commit(*changes)

    monkeypatch.setattr(store, "commit", refusing)
