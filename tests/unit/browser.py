"""Pages in a headless browser, with text that would run there if it were not kept from it."""

import html.parser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

needs_browser = pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium here")

# Puts a mark on the page, which these words do not hold.
_RUN = "document.documentElement.id='r'+'an'"
IN_SCRIPT = f"</script><script >{_RUN}</script>"
IN_TEXT = f"</title></style></pre><img src=x onerror={_RUN}>"
IN_ATTRIBUTE = f"\"'><svg onload={_RUN}>"
IN_LINK = f"[a](javascript:{_RUN}) <javascript:{_RUN}>"
IN_TEMPLATE = "{{ 7*7 }}{% raw %}${7*7}"
IN_MATHS = r"$x_ $\frac"
IN_TERMINAL = "\x1b]0;a\x07\x1b[31m\nb\u202ec"
IN_SPREADSHEET = "=cmd|' /C calc'!A0"
HOSTILE = (
    IN_SCRIPT, IN_TEXT, IN_ATTRIBUTE, IN_LINK, IN_TEMPLATE, IN_MATHS, IN_TERMINAL, IN_SPREADSHEET,
    "`a` | *b* _c_ ~~d~~",
)  # fmt: skip


def shown(page: str, room: Path, *, driver: str = "") -> str:
    """The document after a page was opened, which has its scripts run; `driver` is a script of the test's own."""
    file = room / "opened.html"
    before, end, after = page.rpartition("</body>")
    file.write_text(f"{before}<script>{driver}</script>{end}{after}" if driver else page, encoding="utf-8")
    return shown_file(file, room)


def shown_file(file: Path, room: Path) -> str:
    """The same of a file."""
    done = subprocess.run(
        [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
            "--disable-component-update", "--no-first-run", "--virtual-time-budget=5000",
            f"--user-data-dir={room / 'profile'}", "--dump-dom", f"file://{file}",
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "</html>" in done.stdout
    return done.stdout


def ran(document: str) -> bool:
    """Whether any of the hostile texts ran."""
    return re.search(r'<html[^>]*id="ran"', document) is not None


class Read(html.parser.HTMLParser):
    """What a document says, and what in it could act: scripts, what loads something, events, links that are code."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.acting: list[str] = []
        self.text = ""
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        events = [name for name, value in attrs if name.startswith("on") or (value or "").startswith("javascript:")]
        if tag in {"script", "img", "iframe", "object", "embed", "form", "base"} or events:
            self.acting.append(self.get_starttag_text() or tag)

    def handle_data(self, data: str) -> None:
        self.text += data
