"""What stands around messages, in one look: a page of messages would else go to the database three times."""

from collections.abc import Sequence

from sqlalchemy import Connection

from talkmeter.conversation.store import Around
from talkmeter.store import read_ledger, read_messages


def around(connection: Connection, message_ids: Sequence[str]) -> Around:
    answers = read_messages.newest_answers(connection, message_ids)
    entries = read_ledger.entries_of_answers(connection, list({*message_ids, *answers.values()}))
    return Around(read_messages.siblings(connection, message_ids), answers, entries)
