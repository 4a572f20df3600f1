"""Compare sealift's `kserve_storage` with the original: each row of `rows.py` in two fresh processes.

    python -m tests.kserve --original PYTHON [--output FILE] [-k TEXT]

`tox -e kserve-storage` installs the original into an environment of its own and writes RESULTS.md. It fails unless both
agree in every row, or the row says why sealift is better, and that is still so.
"""

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.kserve.comparison import Compared, compare, version
from tests.kserve.rows import ROWS
from tests.kserve.world import world
from tests.services import azurite, gcs, moto, seaweedfs

HERE = Path(__file__).parent
HEADER = """# kserve_storage: sealift and kserve-storage {version}

Written by `tox -e kserve-storage`: each situation in a fresh process of both packages, with the same servers (moto,
SeaweedFS, fake-gcs-server, Azurite, `git http-backend`, web servers, and fakes of hubs and registries). Compared are
the returned value, the files and links in the directory, the class of the error, what is left in the temporary
directory and the home directory, changed environment variables, and the addresses that were connected to.

{same} situations have the same result, and {better} a better one. kserve-storage changed environment variables in
{changed} of them, sealift in none.

| situation | result | what kserve-storage does instead |
|---|---|---|
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kserve", description=__doc__.splitlines()[0])
    parser.add_argument("--original", required=True, help="an interpreter with kserve-storage")
    parser.add_argument("--output", type=Path, help="write the table to this file, unless -k is given")
    parser.add_argument("-k", dest="text", default="", help="only situations whose name contains this")
    arguments = parser.parse_args()
    found = version(arguments.original)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kserve-")))
        for name in ("moto", "weed", "gcs", "azurite", "models"):
            (directory / name).mkdir()
        s3 = stack.enter_context(moto.start(directory / "moto"))
        weed = stack.enter_context(seaweedfs.start(directory / "weed"))
        google = stack.enter_context(gcs.start(directory / "gcs"))
        azure = stack.enter_context(azurite.start(directory / "azurite", tls=True))
        models = stack.enter_context(world(s3, weed, google, azure, directory / "models"))
        compared = []
        for row in ROWS:
            if arguments.text in row.name:
                compared.append(compare(row, models, arguments.original))
                print(compared[-1].line, flush=True)
    wrong = [each for each in compared if each.wrong]
    for each in wrong:
        print(f"\n{each.row.name}: {each.wrong}\n  sealift: {each.ours}\n  kserve-storage: {each.theirs}")
    if arguments.output and not wrong and not arguments.text:
        arguments.output.write_text(page(compared, found), encoding="utf-8")
    print(f"\n{len(compared)} situations, {len(wrong)} wrong")
    return 1 if wrong or not compared else 0


def page(compared: list[Compared], found: str) -> str:
    better = sum(bool(each.row.better) for each in compared)
    changed = sum(bool(each.theirs["variables"]) for each in compared)
    header = HEADER.format(version=found, same=len(compared) - better, better=better, changed=changed)
    return header + "".join(f"{each.line}\n" for each in compared)


sys.exit(main())
