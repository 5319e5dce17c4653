"""Killed at any moment under any load: whatever the gateway had under way, the ledger of the next start is the bill.

python -m pytest tests/contracts/test_killing.py                                # 100 rounds
TALKMETER_GATEWAY_KILLS=10 TALKMETER_SEED=7 python -m pytest …                  # fewer, with the choices of seed 7
python tests/contracts/killing.py --rounds 1000                                 # by command
"""

import os
import random
import time

import pytest

from support.killing import CLIENTS, kill_again_and_again, report
from support.postgres import Postgres

ROUNDS = int(os.environ.get("TALKMETER_GATEWAY_KILLS", "100"))
SEED = os.environ.get("TALKMETER_SEED") or str(random.SystemRandom().randrange(1_000_000))


@pytest.fixture
def postgres():
    server = Postgres()
    server.start()
    yield server
    server.stop()


@pytest.mark.slow
async def test_killed_at_any_moment(tmp_path, postgres):
    print(f"TALKMETER_SEED={SEED}")
    began = time.monotonic()
    lanes, found = await kill_again_and_again(tmp_path, ROUNDS, SEED, postgres)
    print(report(lanes, found, time.monotonic() - began))
    assert sum(lane.kills for lane in lanes) >= ROUNDS
    assert found.calls >= ROUNDS * CLIENTS // 4  # clients of a tight budget are refused more often than not
    assert found.interrupted >= ROUNDS, "the kills met hardly anything under way"
    assert found.kept > 0
    assert found.reported > 0
