"""A store of its own for every test; with `url` on SQLite and on PostgreSQL."""

import asyncio

import pytest

from support.postgres import NoPostgres, Postgres
from talkmeter.app.import_running import run_import
from talkmeter.conversation.images import Images
from talkmeter.conversation.importing.importer import Importer
from talkmeter.store import open_store

SMALL_BALLAST = 64 << 10


@pytest.fixture(scope="session")
def postgres():
    server = Postgres()
    try:
        server.start()
    except NoPostgres as error:
        pytest.fail(str(error), pytrace=False)
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    return str(tmp_path / "talkmeter.db") if request.param == "sqlite" else request.getfixturevalue("postgres").empty()


@pytest.fixture
async def both(url):
    opened = await open_store(url, ballast=SMALL_BALLAST)
    yield opened
    await opened.close()


@pytest.fixture
async def store(tmp_path):
    opened = await open_store(tmp_path / "talkmeter.db", ballast=SMALL_BALLAST)
    yield opened
    await opened.close()


@pytest.fixture
def images(store, tmp_path):
    return Images(store, tmp_path / "attachments", max_bytes=100_000, max_pixels=1_000_000)


@pytest.fixture
def take(store, images):
    """Imports a path, as the command does: (report as an object)."""

    async def taking(form, path, *, who="owner", dry_run=False, into=None, kept=None):
        kept = kept or images
        importer = Importer(into or store, kept, who, dry_run=dry_run)
        steps = []
        report = await run_import(
            into or store, importer, form, path, lambda *step: steps.append(step), beside_server=True
        )
        assert steps == sorted(steps, key=lambda step: (step[0], step[1])), "it goes forward only"
        assert all(done <= total for _, done, total, _ in steps)
        return report.as_object()

    return taking


@pytest.fixture
def rooms(store):
    """All rooms of a user with the messages of the branch that is shown."""

    async def reading(who="owner", of=None):
        found = await (of or store).rooms(who, None, 500)
        return [(room, list(await (of or store).branch(room.leaf_id, None))) for room in found.rooms]

    return reading


@pytest.fixture
def in_thread():
    return asyncio.to_thread
