"""Accounts on a real store."""

import pytest

from talkmeter.accounts.keys import Keys
from talkmeter.accounts.passwords import Passwords
from talkmeter.accounts.users import Users
from talkmeter.config import resolve
from talkmeter.store import open_store


class Clock:
    """Microseconds that a test moves."""

    def __init__(self):
        self.at = 1_700_000_000_000_000

    def __call__(self):
        return self.at

    def pass_seconds(self, seconds):
        self.at += int(seconds * 1_000_000)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def store(tmp_path):
    opened = await open_store(tmp_path / "talkmeter.db", ballast=0)
    yield opened
    await opened.close()


@pytest.fixture
def resolved(tmp_path):
    """Makes settings: resolved(flags…, environment={…})."""

    def make(environment=None, **flags):
        return resolve({"data_dir": str(tmp_path), **flags}, environment or {})

    return make


@pytest.fixture
async def users(store, clock):
    loaded = Users(store, Passwords(store), clock)
    await loaded.load()
    return loaded


@pytest.fixture
async def keys(store, users, clock):
    loaded = Keys(store, users, clock)
    await loaded.load()
    return loaded
