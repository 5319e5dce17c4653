"""A store on SQLite and one on PostgreSQL: every test that takes `store` runs on both."""

import pytest

from support.data_dirs import some_content
from support.postgres import NoPostgres, Postgres
from talkmeter.store import open_store
from talkmeter.store.archive import DATABASE, KEY, SETTINGS
from talkmeter.store.backup import make_backup

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


@pytest.fixture
def postgres_url(postgres):
    return postgres.empty()


@pytest.fixture
def new_postgres_url(postgres):
    url = postgres.create()
    yield url
    postgres.drop(url)


@pytest.fixture
def sqlite_path(tmp_path):
    return tmp_path / "talkmeter.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request):
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_path"))
    return request.getfixturevalue("postgres_url")


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request):
    """A database without even a schema."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_path"))
    return request.getfixturevalue("new_postgres_url")


@pytest.fixture
async def store(url):
    opened = await open_store(url, busy_timeout=0.5, ballast=SMALL_BALLAST)
    yield opened
    await opened.close()


@pytest.fixture
async def sqlite(sqlite_path):
    opened = await open_store(sqlite_path, busy_timeout=0.5, ballast=SMALL_BALLAST)
    yield opened
    await opened.close()


# A data directory, for backups


@pytest.fixture
def data_dir(tmp_path):
    folder = tmp_path / "data"
    (folder / "attachments").mkdir(parents=True)
    (folder / KEY).write_bytes(bytes(32))
    (folder / SETTINGS).write_text("port = 8080\n")
    return folder


@pytest.fixture
async def running(data_dir):
    store = await open_store(data_dir / DATABASE, ballast=4096)
    yield store
    await store.close()


@pytest.fixture
async def backup(running, data_dir, tmp_path):
    await some_content(running, data_dir)
    await running.close()
    file = tmp_path / "backup.tar"
    make_backup(data_dir, file)
    return file
