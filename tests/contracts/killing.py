"""The gateway killed at random moments under load, as often as one likes; see support/killing.py.

python tests/contracts/killing.py --rounds 1000               # two to three seconds of CPU each
python tests/contracts/killing.py --rounds 1000 --seed 7      # the choices of the run that printed 7
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def main() -> None:
    sys.path[:0] = [str(TESTS), str(TESTS.parent / "src")]
    import uvloop

    from support.killing import kill_again_and_again, report
    from support.postgres import Postgres

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", default=str(random.SystemRandom().randrange(1_000_000)))
    given = parser.parse_args()
    print(f"{given.rounds} rounds, seed {given.seed}", flush=True)
    postgres = Postgres()
    postgres.start()
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="talkmeter-killing-") as folder:
            lanes, found = uvloop.run(kill_again_and_again(Path(folder), given.rounds, given.seed, postgres))
    finally:
        postgres.stop()
    print(report(lanes, found, time.monotonic() - began))


if __name__ == "__main__":
    main()
