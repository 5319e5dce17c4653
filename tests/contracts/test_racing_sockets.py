"""Clients of the plain-text dialects that talk in one conversation at once: each hears its own answers, whole and in its
order, and the conversation is one of questions and answers in turn.
"""

import asyncio

from support.gate import gate_open
from support.sockets import open_socket
from talkmeter.accounts.principals import LOCAL_PRINCIPAL

EACH = 6  # questions of each client
DIALECTS = {
    "two": "<|ask|>$shared$say: {}",
    "three": "<|ask|>$shared$new$say: {}",
    "again": "<|ask|>$shared$say: {}",
}


def answer(name, number):
    return f"{name} {number} " + " ".join([name] * 12)


async def test_two_clients_and_more_in_one_conversation(tmp_path):
    async with gate_open(tmp_path, default_window=0) as gate:

        async def talk(name, ask):
            async with await open_socket(gate) as socket:
                for number in range(EACH):  # all at once: they wait on the socket, and behind the others' in the room
                    await socket.send(ask.format(answer(name, number)))
                return [await socket.answer() for _ in range(EACH)]

        heard = dict(
            zip(DIALECTS, await asyncio.gather(*(talk(name, ask) for name, ask in DIALECTS.items())), strict=True)
        )
        for name, answers in heard.items():
            assert [text for text, _ in answers] == [answer(name, number) for number in range(EACH)]
            assert all(end.startswith("<|end|>") for _, end in answers)
        told = (await gate.application.talks.history(LOCAL_PRINCIPAL, "shared")).messages
        assert [said.role for said in told] == ["user", "assistant"] * (EACH * len(DIALECTS))
        assert all(mine.text == f"say: {theirs.text}" for mine, theirs in zip(told[::2], told[1::2], strict=True))
        for name in DIALECTS:
            mine = [said.text for said in told[1::2] if said.text.startswith(f"{name} ")]
            assert mine == [answer(name, number) for number in range(EACH)]
        ids = [end.split("$")[2] for _, end in heard["three"]]
        assert ids == [said.id for said in told if said.id in ids]
        ledger = (await gate.check_books()).values()
        assert [entry["messages_sent"] for entry in ledger] == list(range(1, 2 * len(ledger), 2)), "one after the other"
