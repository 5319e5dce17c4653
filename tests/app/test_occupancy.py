"""One server for one data directory, and where it is."""

import asyncio
import os
import subprocess
import sys

import pytest

from talkmeter.app.occupancy import Occupancy, WorkersLock, running
from talkmeter.errors import SettingError


def test_held_once_and_let_go(tmp_path):
    assert running(tmp_path) is None
    held = Occupancy(tmp_path)
    held.say_where("http://localhost:1234")
    assert running(tmp_path) == {"pid": os.getpid(), "url": "http://localhost:1234"}
    held.say_where("http://localhost:1234", {"provider_environment": "OpenAI"})
    assert running(tmp_path)["providers"] == {"provider_environment": "OpenAI"}
    with pytest.raises(SettingError, match="localhost:1234"):
        Occupancy(tmp_path)
    held.release()
    held.release()
    assert running(tmp_path) is None
    Occupancy(tmp_path).release()


def test_a_killed_process_holds_nothing(tmp_path):
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom talkmeter.app.occupancy import Occupancy\n"
        "Occupancy(Path(sys.argv[1])).say_where('http://localhost:1')\nos.abort()"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, check=False)
    assert done.returncode != 0
    assert running(tmp_path) is None
    Occupancy(tmp_path).release()


def test_a_server_that_has_not_said_where_it_is_still_holds_it(tmp_path):
    held = Occupancy(tmp_path)
    assert running(tmp_path) is None
    with pytest.raises(SettingError):
        Occupancy(tmp_path)
    held.release()


async def test_a_worker_that_is_left_keeps_the_next_server_waiting(tmp_path):
    lock = WorkersLock(tmp_path)
    await lock.acquire()
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "input()"), pass_fds=[lock.fd], stdin=subprocess.PIPE
    )
    try:
        lock.release()  # as if the server had been killed
        following = WorkersLock(tmp_path)
        with pytest.raises(SettingError) as refused:
            await following.acquire(0.05)
        assert refused.value.code == "worker_left"
        waiting = asyncio.ensure_future(following.acquire(60))
        await worker.communicate(b"\n")
        await waiting
        following.release()
    finally:
        if worker.returncode is None:
            worker.kill()
            await worker.wait()
