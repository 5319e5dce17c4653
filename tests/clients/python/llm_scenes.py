"""The command `llm`, as people type it. See ../node/scenes.mjs."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

TEXT = "하나 둘 셋, one two three"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
# What its own list does not have; the names are the models', prefixed.
MODELS = """
- {model_id: unsteady, model_name: sim-fast@900, api_base: URL, api_key_name: openai}
- {model_id: cut, model_name: gpt-4o-mini, api_base: URL, api_key_name: openai, headers: {X-Simulate: '{"fault": "401"}'}}
- {model_id: by-responses, model_name: gpt-4o-mini, api_base: URL, api_key_name: openai, responses: true}
"""


def run(*arguments: str, fails: bool = False) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "llm", *arguments], capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode != 0) is fails, done.stderr
    return (done.stderr if fails else done.stdout).strip()


def main() -> None:
    url = os.environ["TALKMETER_BASE_URL"]
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "LLM_USER_PATH": folder, "OPENAI_BASE_URL": url, "OPENAI_API_KEY": os.environ["TALKMETER_API_KEY"],
        }  # fmt: skip
        Path(folder, "extra-openai-models.yaml").write_text(MODELS.replace("URL", url), encoding="utf-8")
        picture = Path(folder, "a.png")
        picture.write_bytes(PNG)
        play(str(picture))


def play(picture: str) -> None:
    for how in (["gpt-4o-mini", "--no-stream"], ["gpt-4o-mini"], ["by-responses"]):
        assert run("-m", *how, f"say: {TEXT}") == TEXT
        tell(" ".join(how), None)
    made = json.loads(run("-m", "gpt-4o-mini", "--schema", "name, people int", "a place"))
    assert set(made) == {"name", "people"}
    tell("a schema", made)
    tell("vision", run("-m", "gpt-4o-mini", "-a", picture, "what is it?"))
    tell("tools", run("-m", "gpt-4o-mini", "-T", "llm_version", "--chain-limit", "5", "tool: llm_version {}"))
    assert run("-m", "unsteady", f"say: {TEXT}") == TEXT
    tell("retries", None)
    tell("an error", run("-m", "cut", "hello", fails=True))
    vector = json.loads(run("embed", "-m", "3-small", "-c", "하나"))
    assert len(vector) == 1536
    tell("an embedding", vector[:4])


def tell(scene: str, told: Any) -> None:
    print(json.dumps({"scene": scene, "told": told}, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
