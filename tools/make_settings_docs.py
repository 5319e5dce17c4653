"""Writes docs/settings.md and docs/settings.ko.md from the table of settings; a test fails on drift."""

import sys
from pathlib import Path

from talkmeter.config import GROUPS, TABLE, Setting

ROOT = Path(__file__).resolve().parents[1]

INTRO = """\
Every setting can be given as a flag of `talkmeter serve`, as an environment variable or in the
settings file; those marked “page” also on the page, which stores them in the database.
The first that says something wins: **flag > environment > file > stored > default**. What a
flag, the environment or the file sets cannot be changed on the page; it says where it comes from.

- Flag: `--port 9000`. Environment: `TALKMETER_PORT=9000`; an empty variable counts as not set.
- File: `talkmeter.toml` in the data directory, or the one named by `--config`: `port = 9000`.
- Secrets have no flag. Each also reads a file that a variable with `_FILE` names, as container
  secrets are given: `OPENAI_API_KEY_FILE=/run/secrets/openai`.

This page is made from `src/talkmeter/config/` by `tools/make_settings_docs.py`."""

INTRO_KO = """\
모든 설정은 `talkmeter serve`의 옵션, 환경 변수, 설정 파일로 정할 수 있습니다.
“페이지” 표시가 있는 것은 페이지에서도 바꿀 수 있으며 데이터베이스에 저장됩니다.
먼저 정해진 것이 우선합니다: **옵션 > 환경 변수 > 파일 > 저장된 값 > 기본값**.
옵션, 환경 변수, 파일로 정한 것은 페이지에서 바꿀 수 없고, 페이지가 그 출처를 알려 줍니다.

- 옵션: `--port 9000`. 환경 변수: `TALKMETER_PORT=9000`. 빈 변수는 정하지 않은 것으로 봅니다.
- 파일: 데이터 폴더의 `talkmeter.toml` 또는 `--config`로 지정한 파일: `port = 9000`.
- 비밀 값에는 옵션이 없습니다. 대신 `_FILE`이 붙은 변수가 가리키는 파일에서도 읽습니다:
  `OPENAI_API_KEY_FILE=/run/secrets/openai`.

이 문서는 `tools/make_settings_docs.py`가 `src/talkmeter/config/`에서 만듭니다."""

WORDS = {
    "en": {
        "title": "# Settings",
        "intro": INTRO,
        "head": "| Setting | Variable | Value | Default | Meaning |",
        "page": "page",
        "secret": "secret",
        "none": "not set",
        "or": "or",
    },
    "ko": {
        "title": "# 설정",
        "intro": INTRO_KO,
        "head": "| 설정 | 환경 변수 | 값 | 기본값 | 뜻 |",
        "page": "페이지",
        "secret": "비밀",
        "none": "없음",
        "or": "또는",
    },
}


def page(language: str) -> str:
    """The whole page, "en" or "ko", as Markdown."""
    words = WORDS[language]
    parts = [words["title"], "", words["intro"]]
    for group, names in GROUPS.items():
        parts += [
            "",
            f"## {names[0] if language == 'en' else names[1]}",
            "",
            words["head"],
            "|---|---|---|---|---|",
        ]
        parts += [row(setting, language) for setting in TABLE if setting.group == group]
    return "\n".join(parts) + "\n"


def row(setting: Setting, language: str) -> str:
    """One line of a table."""
    words = WORDS[language]
    variables = f" {words['or']} ".join(f"`{name}`" for name in reversed(setting.variables))
    marks = [words["page"]] if setting.page else []
    marks += [words["secret"]] if setting.secret else []
    name = f"`{setting.name}`" + (f" ({', '.join(marks)})" if marks else "")
    allowed = setting.allowed() if language == "en" else setting.allowed_ko()
    meaning = setting.help if language == "en" else setting.help_ko
    return f"| {name} | {variables} | {allowed} | {default(setting, words)} | {meaning} |"


def default(setting: Setting, words: dict[str, str]) -> str:
    """The default as people read it."""
    if setting.default_text is not None:
        return words.get(setting.default_text, setting.default_text)
    plain = setting.plain(setting.default)
    if plain is None or plain in ("", []):
        return words["none"]
    if isinstance(plain, bool):
        return "`true`" if plain else "`false`"
    return f"`{plain}`"


def files() -> dict[Path, str]:
    """Each file with what should be in it."""
    return {ROOT / "docs/settings.md": page("en"), ROOT / "docs/settings.ko.md": page("ko")}


def main() -> None:
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
