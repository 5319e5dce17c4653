"""Behaves as the first clients of `chat.Chat` do, for a person at a terminal: python seed_grpc_client.py TARGET [ID [PARENT]]

Prompts come from standard input, each ended by an empty line. One plain channel for all of them; every response is
printed as it comes; after any error the same is asked once more without the parent, without a word.
"""

import sys

import grpc
from grpc_wire import asked, raw_ask, response_of


def prompts():
    lines = []
    for line in sys.stdin:
        if line.rstrip("\n"):
            lines.append(line.rstrip("\n"))
        else:
            yield "\n".join(lines)
            lines = []


def tell(ask, request):
    for data in ask(request):
        print(response_of(data), end="", flush=True)
    print(flush=True)


def main():
    target, conversation_id, parent_id = (*sys.argv[1:], None, None)[:3]
    with grpc.insecure_channel(target) as channel:
        ask = raw_ask(channel)
        print("connected", flush=True)
        for prompt in prompts():
            try:
                tell(ask, asked(prompt, conversation_id, parent_id))
            except grpc.RpcError:
                try:
                    tell(ask, asked(prompt, conversation_id))
                except grpc.RpcError as error:
                    print(f"failed {error.code().name}", flush=True)


main()
