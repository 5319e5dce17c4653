"""What one durable commit takes on this disk: what every call that is to be in a ledger must at least wait for."""

import sqlite3
import time
from pathlib import Path

ROW = "x" * 600  # about an open entry
PAUSE_SECONDS = 0.003  # between two, as between the requests of one client


def commit_times(folder: Path, count: int = 200) -> list[float]:
    """Seconds each: SQLite by itself, in WAL mode with `synchronous=FULL`, one row to a commit."""
    file = folder / "commits.db"
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=wal")
        connection.execute("PRAGMA synchronous=full")
        connection.execute("CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, text TEXT)")
        found = []
        for _ in range(count):
            began = time.perf_counter()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO rows (text) VALUES (?)", (ROW,))
            connection.execute("COMMIT")
            found.append(time.perf_counter() - began)
            time.sleep(PAUSE_SECONDS)
    finally:
        connection.close()
    return found
