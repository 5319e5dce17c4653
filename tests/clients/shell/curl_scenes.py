"""The command `curl`, as people and scripts use it. See ../node/scenes.mjs. Beside Python it needs nothing but curl."""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

URL, KEY = os.environ["TALKMETER_BASE_URL"], os.environ["TALKMETER_API_KEY"]
QUESTION = "say: 하나 둘 셋, one two three"
SLOW = "sim-fast@4"  # tokens a second: slow enough to leave in the middle


def chat(question: str = QUESTION, model: str = "gpt-4o-mini", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": question}], **more}


def arguments(path: str, body: Any = None, *flags: str, key: str = KEY) -> list[str]:
    sent = ["-d", json.dumps(body, ensure_ascii=False)] if body is not None else []
    json_kind = ["-H", "Content-Type: application/json"] if sent else []
    return [
        "curl",
        "-q",
        "-sS",
        "-m",
        "60",
        f"{URL}/{path}",
        "-H",
        f"Authorization: Bearer {key}",
        *json_kind,
        *sent,
        *flags,
    ]


def run(*given: Any, status: int = 0, **named: Any) -> bytes:
    """What curl writes to standard output. status: with which it is to end."""
    done = subprocess.run(arguments(*given, **named), capture_output=True, timeout=120, check=False)
    assert done.returncode == status, (done.returncode, done.stderr)
    return done.stdout


def events(said: bytes) -> list[Any]:
    lines = [line[6:] for line in said.splitlines() if line.startswith(b"data: ")]
    return [line.decode() if line == b"[DONE]" else json.loads(line) for line in lines]


def text_of(found: list[Any]) -> str:
    return "".join(
        choice["delta"].get("content") or "" for one in found if one != "[DONE]" for choice in one["choices"]
    )


def main() -> None:
    answer = json.loads(run("chat/completions", chat()))
    tell("chat", [answer["choices"][0]["message"], answer["usage"]])

    asked = {"stream": True, "stream_options": {"include_usage": True}}
    found = events(run("chat/completions", chat(**asked), "-N"))
    assert (text_of(found), found[-1]) == (QUESTION.removeprefix("say: "), "[DONE]")
    tell("streamed", len(found))
    tell("streamed, its usage unasked", text_of(events(run("chat/completions", chat(stream=True), "-N"))))
    found = events(run("chat/completions", chat(**asked), "-N", "--compressed"))
    tell("streamed, packed if it likes", text_of(found))
    tell("the body from a file", in_a_file(chat("say: " + "가나다 " * 20_000, max_tokens=5)))
    tell(
        "an answer in two choices",
        [one["message"] for one in json.loads(run("chat/completions", chat(n=2)))["choices"]],
    )

    wrong = json.loads(run("chat/completions", chat(temperature="warm"), "-w", "\\n%{http_code}").rpartition(b"\n")[0])
    tell("an error", wrong["error"]["type"])
    tell("an error that is a failure", run("chat/completions", chat(n=-1), "-f", status=22).decode())
    wrong_key = json.loads(run("models", key=os.environ["TALKMETER_WRONG_KEY"]))["error"]
    tell("a wrong key", [wrong_key["type"], wrong_key["code"]])
    cut = ("-H", 'X-Simulate: {"fault": "cut-300"}')
    tell("an answer that breaks off", len(run("chat/completions", chat(**asked), "-N", *cut, status=18)))

    tell("left in the middle", leave_in_the_middle())
    vector = json.loads(run("embeddings", {"model": "text-embedding-3-small", "input": "하나"}))["data"][0]["embedding"]
    tell("an embedding", vector[:4])
    sound = run("audio/speech", {"model": "tts-1", "input": "하나 둘", "voice": "alloy", "response_format": "wav"})
    tell("sound", len(sound))
    tell("a form", heard(sound))
    tell("head only", run("models", None, "-I", "-o", os.devnull, "-w", "%{http_code}").decode())


def in_a_file(body: dict[str, Any]) -> Any:
    """Above a megabyte curl asks first whether the body is wanted: `Expect: 100-continue`."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "body.json")
        file.write_text(json.dumps(body) + " " * 1_100_000, encoding="utf-8")
        flags = ["-H", "Content-Type: application/json", "--data-binary", f"@{file}"]
        return json.loads(run("chat/completions", None, *flags))["usage"]


def heard(sound: bytes) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "a.wav")
        file.write_bytes(sound)
        return json.loads(run("audio/transcriptions", None, "-F", "model=whisper-1", "-F", f"file=@{file}"))


def leave_in_the_middle() -> str:
    """As Ctrl+C does; the first word has been seen."""
    asked = chat(model=SLOW, stream=True, stream_options={"include_usage": True})
    with subprocess.Popen(arguments("chat/completions", asked, "-N"), stdout=subprocess.PIPE) as left:
        assert left.stdout is not None
        seen = b""
        while not text_of(events(seen)):
            seen += left.stdout.readline()
        left.terminate()
    return text_of(events(seen))


def tell(scene: str, told: Any) -> None:
    print(json.dumps({"scene": scene, "told": told}, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
