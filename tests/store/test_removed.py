"""A database file that is removed or replaced under a running server: nothing more is acknowledged."""

import pytest

from support.store_values import a_room
from talkmeter.conversation.changes import AddRoom
from talkmeter.errors import StoreError
from talkmeter.store import open_store


@pytest.mark.parametrize("replaced", [False, True])
async def test_nothing_is_acknowledged_that_the_next_start_would_not_find(tmp_path, replaced):
    path = tmp_path / "talkmeter.db"
    store = await open_store(path)
    try:
        await store.commit(AddRoom(a_room()))
        path.unlink()
        if replaced:
            path.write_bytes(b"")
        with pytest.raises(StoreError, match="removed or replaced"):
            await store.commit(AddRoom(a_room()))
        with pytest.raises(StoreError):
            await store.check()
    finally:
        await store.close()
