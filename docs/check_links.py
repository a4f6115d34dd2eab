"""Check the links of the built site, and those between the files of the repository: python docs/check_links.py HTML.

Links to other hosts are not followed.
"""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]


class Page(HTMLParser):
    """Links and anchors of a page."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element links to, and how it can be linked to."""
        for name, value in attrs:
            if value and name in {"id", "name"}:
                self.anchors.add(value)
            elif value and name in {"href", "src"}:
                self.links.append(value)


def broken_in_site(folder: Path) -> list[str]:
    """Links of the site's pages to a page, a file or an anchor that is not there."""
    pages = {file.resolve(): Page(file) for file in folder.rglob("*.html") if "_static" not in file.parts}
    said = []
    for file, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            goal = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            anchor = unquote(parts.fragment)
            if not goal.exists() or (anchor and goal in pages and anchor not in pages[goal].anchors):
                said.append(f"{file.relative_to(folder.resolve())}: {link}")
    return said


def broken_in_repository() -> list[str]:
    """Links of Markdown files to a file that the repository does not have, as a code host would follow them."""
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    said = []
    for name in listed.stdout.splitlines():
        text = re.sub(r"```.*?```", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.DOTALL)
        for link in re.findall(r"\]\((?!\w+:|#|made/)([^)#\s]+)", text):
            if not (ROOT / name).parent.joinpath(link).exists():
                said.append(f"{name}: {link}")
    return said


if __name__ == "__main__":
    broken = [*broken_in_site(Path(sys.argv[1])), *broken_in_repository()]
    print("\n".join(broken) if broken else "no broken link")
    sys.exit(bool(broken))
