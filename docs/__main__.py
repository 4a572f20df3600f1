"""Build the site: `python -m docs`, or `tox -e docs`, which installs what that needs.

Its source, in build/docs, consists of the pages in docs/, of documents that are kept elsewhere (`links.ELSEWHERE`), and
of the reference of the command line, which is generated. `zensical build` makes the site from it, in build/site. A
warning is an error.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from docs.commands import reference
from docs.links import ELSEWHERE, GENERATED, ROOT, rewrite

SOURCE = ROOT / "docs"
TARGET = ROOT / "build" / "docs"
FILES = (".md", ".css", ".svg")


def main() -> None:
    """Write the source of the site, and build it.

    Raises:
        SystemExit: There was an error or a warning.
    """
    write()
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603
    sys.stderr.write(done.stderr)
    # `--strict` does not apply to the warnings about docstrings.
    if done.returncode or "griffe: " in done.stderr:
        sys.exit(1)


def write() -> None:
    """Write all pages, replacing those of an earlier run."""
    shutil.rmtree(TARGET, ignore_errors=True)
    pages = {path: path.relative_to(SOURCE) for path in SOURCE.rglob("*") if path.suffix in FILES}
    pages |= {ROOT / name: Path(page) for name, page in ELSEWHERE.items()}
    for path, page in pages.items():
        text = path.read_text("utf-8")
        _write(page, rewrite(text, path) if path.suffix == ".md" else text)
    _write(Path(GENERATED), reference())


def _write(page: Path, text: str) -> None:
    path = TARGET / page
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
