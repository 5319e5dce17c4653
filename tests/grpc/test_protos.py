"""The protos are what clients hold on to: linted, unbroken, and what the committed messages were made from."""

import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from support.grpc_wire import asked
from talkmeter.surfaces.grpc.messages import chat_pb2

ROOT = Path(__file__).resolve().parents[2]
PROTOS, MESSAGES = ROOT / "proto", ROOT / "src/talkmeter/surfaces/grpc/messages"
SEED = """
syntax = "proto3";
package chat;
service Chat { rpc Ask(askrequest) returns (stream askresponse) {} }
message askrequest { string prompt = 1; string conversation_id = 2; string parent_id = 3; }
message askresponse { string response = 1; }
"""


def buf(*arguments, cwd=PROTOS):
    command = [str(Path(sys.executable).with_name("buf")), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture
def copied(tmp_path):
    """The protos, to be changed."""
    for file in ("buf.yaml", "chat.proto", "talkmeter/v1/conversations.proto"):
        to = tmp_path / file
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes((PROTOS / file).read_bytes())
    return tmp_path


def test_they_are_linted_and_formatted():
    done = buf("lint")
    assert done.returncode == 0, done.stdout + done.stderr
    done = buf("format", "--diff", "--exit-code")
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_is_broken_that_clients_have():
    done = buf("breaking", "--against", "baseline.binpb")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("chat.proto", "string parent_id = 3;", "string parent_id = 4;"),
        ("chat.proto", "rpc Ask(", "rpc Answer("),
        ("chat.proto", "optional string model = 10;", ""),
        ("talkmeter/v1/conversations.proto", "int64 after_seq = 2;", "int32 after_seq = 2;"),
        ("talkmeter/v1/conversations.proto", "STOP_MODE_CUT = 2;", "STOP_MODE_CUT = 3;"),
    ],
)
def test_a_break_is_noticed(copied, file, before, after):
    text = (copied / file).read_text(encoding="utf-8")
    assert before in text
    (copied / file).write_text(text.replace(before, after), encoding="utf-8")
    assert buf("breaking", "--against", PROTOS / "baseline.binpb", cwd=copied).returncode != 0


def test_the_committed_messages_are_fresh(tmp_path):
    """`.venv/bin/python tools/make_protos.py` makes them anew."""
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import make_protos
    finally:
        sys.path.remove(str(ROOT / "tools"))
    make_protos.make_messages(tmp_path)
    made = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    kept = {path.name: path.read_text(encoding="utf-8") for path in MESSAGES.glob("*_pb2.py*")}
    assert kept == made


def test_a_first_clients_bytes_are_ours(tmp_path):
    """By the proto that they were made from: package, names and numbers; and as this project's tests write them."""
    (tmp_path / "chat.proto").write_text(SEED, encoding="utf-8")
    done = buf("build", "-o", "seed.binpb", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString((tmp_path / "seed.binpb").read_bytes()).file:
        pool.Add(file)
    request = GetMessageClass(pool.FindMessageTypeByName("chat.askrequest"))
    reply = GetMessageClass(pool.FindMessageTypeByName("chat.askresponse"))
    theirs = request(prompt="안녕", conversation_id="c", parent_id="p")
    assert theirs.SerializeToString() == asked("안녕", "c", "p")
    ours = chat_pb2.askrequest.FromString(theirs.SerializeToString())
    assert (ours.prompt, ours.conversation_id, ours.parent_id) == ("안녕", "c", "p")
    assert request(prompt="x").SerializeToString() == asked("x")
    last = chat_pb2.askresponse(response="<|end|>$c$m", conversation_id="c", usage=chat_pb2.Usage(prompt_tokens=1))
    assert reply.FromString(last.SerializeToString()).response == "<|end|>$c$m"
    method = chat_pb2.DESCRIPTOR.services_by_name["Chat"].methods_by_name["Ask"]
    assert (method.full_name, method.server_streaming, method.client_streaming) == ("chat.Chat.Ask", True, False)
