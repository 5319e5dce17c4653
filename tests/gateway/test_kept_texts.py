"""What is kept of an answer under way is of use to the next process, and to nobody who has only the database."""

import asyncio

from support import books
from support.folders import content
from support.gate import chat

WORDS = "kumquat persimmon quince medlar"


async def test_no_file_of_the_database_tells_what_an_answer_says(gate):
    gate.simulator.script({"gate": True, "answer": WORDS})
    connection = await gate.open("chat/completions", chat(stream=True))
    await gate.simulator.step(4)
    await connection.head()
    text = b""
    while b"quince" not in text:
        text += await connection.chunk()
    (entry_id,) = gate.entries()
    async with asyncio.timeout(60):
        while "quince" not in await _kept(gate, entry_id):  # the prompt is perhaps kept before any of it
            await asyncio.sleep(0.02)
    assert all(row["text"].startswith("sealed:") for row in _partials(gate))
    files = b"".join(data for name, data in content(gate.data_dir).items() if name.startswith("talkmeter.db"))
    assert b"sealed:" in files
    assert not any(word.encode() in files for word in WORDS.split())
    assert await gate.application.settle_for([entry_id]) == 1, "as another process does once this one is dead"
    entry = gate.entries()[entry_id]
    assert (entry["outcome"], entry["provenance"]) == ("interrupted", "counted")
    assert 0 < entry["completion_tokens"] <= 12
    assert _partials(gate) == []
    await connection.close()
    await gate.simulator.step(1000)
    await gate.ledger()


async def _kept(gate, entry_id):
    texts = await gate.application.store.partial_texts(entry_id)
    return "".join(gate.application.accounts.kept_texts.open(entry_id, text) for text in texts)


def _partials(gate):
    with books.reading(gate.data_dir) as connection:
        return books.rows(connection, "SELECT text FROM partial_texts ORDER BY seq")
