"""`talkmeter import`: conversations from other programs."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from talkmeter.cli.options import EVERYWHERE, reads_korean, resolved, say, setting_options
from talkmeter.cli.tables import say_json
from talkmeter.conversation.importing.values import FORMATS, Format
from talkmeter.wording import numbered

if TYPE_CHECKING:
    from talkmeter.app.import_running import Progress, Step
    from talkmeter.conversation.importing.report import Report
    from talkmeter.conversation.importing.values import Note

NOTES_SHOWN = 20
STEPS = {"check": ("Checking", "확인 중"), "import": ("Importing", "가져오는 중")}
OUTCOMES = {
    "new": ("new conversation", "new conversations", "새 대화 {n}개"),
    "grown": ("that has grown", "that have grown", "늘어난 대화 {n}개"),
    "known": ("that was there already", "that were there already", "이미 있던 대화 {n}개"),
}
LEFT_OUT = {
    "tool": ("calls of tools, and their results", "도구 호출과 그 결과"),
    "reasoning": ("thoughts of models", "모델의 생각"),
    "hidden": ("hidden messages", "숨겨진 메시지"),
    "file": ("attached files that are no images", "이미지가 아닌 첨부 파일"),
    "image": ("images", "이미지"),
    "sound": ("recordings and films", "녹음과 영상"),
    "part": ("parts of messages of an unknown kind", "알 수 없는 종류의 메시지 조각"),
    "figures": (
        "token counts: the ledger has only calls that went through it",
        "토큰 수: 원장에는 이곳을 거친 호출만 있습니다",
    ),
    "api_key": ("API keys: enter yours in Settings", "API 키: 설정에서 입력하십시오"),
    "orphan": ("messages of conversations that are not there", "대화가 남아 있지 않은 메시지"),
    "id": ("conversation ids that cannot be used here or are taken", "이곳에서 쓸 수 없거나 이미 쓰이는 대화 id"),
    "empty": ("conversations without messages", "메시지가 없는 대화"),
}


@click.command("import")
@click.argument("form", metavar="FORMAT", type=click.Choice(FORMATS, case_sensitive=False))
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option("--user", default="owner", show_default=True, help="Whose rooms they become: a name, an id, or `local`.")
@click.option("--dry-run", is_flag=True, help="Look at everything and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@setting_options(*EVERYWHERE, "upload_bytes", "upload_pixels")
def import_(form: Format, path: Path, *, user: str, dry_run: bool, as_json: bool, **flags: Any) -> None:
    """Take in conversations from PATH; what is there already is not taken again. The server may be running.

    FORMAT is chatgpt (the zip archive that ChatGPT sends, its folder or conversations.json), easy-backend (the folder
    conversations/ of ChatGPT EasyBackend) or tokenmeter (the database.db of TokenMeter). Status 1 if a conversation
    could not be read.
    """
    from talkmeter.app.administration import run
    from talkmeter.app.importing import import_conversations

    settings = resolved(flags)
    with _bar() as progress:
        report = run(import_conversations(settings, form, path, user, dry_run=dry_run, progress=progress))
    if as_json:
        say_json(report.as_object())
    else:
        _print(report, dry_run=dry_run)
    sys.exit(1 if report.unreadable_count else 0)


@contextmanager
def _bar() -> "Iterator[Progress]":
    """Two bars for people, one for each step; nothing where nobody looks."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[count]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks = {step: bars.add_task(_ours(words), start=False, total=None, count="") for step, words in STEPS.items()}

        def progress(step: "Step", done: int, total: int, count: int) -> None:
            bars.start_task(tasks[step])
            bars.update(tasks[step], completed=done, total=total, count=str(count or ""))

        yield progress


def _print(report: "Report", *, dry_run: bool) -> None:
    if dry_run:
        say(_ours(("Nothing has been written. It would be:", "아무것도 기록하지 않았습니다. 가져올 것:")))
    say(", ".join([_counted(report.conversations[name], *words) for name, words in OUTCOMES.items()]) + ".")  # type: ignore[index]
    added = f"{numbered(report.messages, 'message')} and {numbered(report.images, 'image')} added."
    say(_ours((added, f"메시지 {report.messages:,}개와 이미지 {report.images:,}개를 더했습니다.")))
    left_out = [(report.left_out[name], _ours(words)) for name, words in LEFT_OUT.items()]  # type: ignore[index]
    if any(count for count, _ in left_out):
        say(_ours(("Not taken:", "가져오지 않은 것:")))
    for count, words in left_out:
        if count:
            say(f"  {count:>6} {words}")
    _notes(("Images that were not taken:", "가져오지 않은 이미지:"), report.images_left_out, report.left_out["image"])
    _notes(("Conversations that could not be read:", "읽을 수 없는 대화:"), report.unreadable, report.unreadable_count)


def _notes(title: tuple[str, str], notes: "list[Note]", count: int) -> None:
    if count:
        say(_ours(title))
    for note in notes[:NOTES_SHOWN]:
        say(f"  “{note.about}”: {_ours((note.why, note.why_ko))}")
    if count > NOTES_SHOWN:
        say(
            _ours(("  … and {n} more (--json has {m})", "  … 외 {n}개 (--json에 {m}개)")).format(
                n=count - NOTES_SHOWN, m=len(notes)
            )
        )


def _counted(count: int, one: str, many: str, korean: str) -> str:
    return _ours((numbered(count, one, many), korean.format(n=f"{count:,}")))


def _ours(words: tuple[str, str]) -> str:
    return words[1] if reads_korean() else words[0]
