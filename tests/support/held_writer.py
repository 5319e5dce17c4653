"""Keeps a store's writer waiting, so that what is submitted meanwhile forms one group."""

import asyncio
import threading

from talkmeter.accounts.store import SaveSettings


class HeldWriter:
    """`async with HeldWriter(store):` — a first commit (the setting `first`) is under way until the block ends."""

    def __init__(self, store):
        self._store = store
        self._entered = threading.Event()
        self._go = threading.Event()

    async def __aenter__(self):
        writer = self._store._writer
        together = writer._together

        def wait(batch):
            del writer._together
            self._entered.set()
            self._go.wait()
            return together(batch)

        writer._together = wait
        self._first = asyncio.ensure_future(self._store.commit(SaveSettings({"first": 1})))
        await asyncio.to_thread(self._entered.wait)
        return self

    async def __aexit__(self, *_):
        self._go.set()
        await self._first
