import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from sealift.cli import exit_codes, main

from .program import clean_environ


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert (result.exit_code, result.stderr) == (exit_codes.OK, "")
    assert f"_SEALIFT_COMPLETE={shell}_complete" in result.stdout
    assert "_sealift_completion" in result.stdout


def complete(words: str, tmp_path: Path) -> list[str]:
    """Return the completions that bash offers for the last word, with our script loaded."""
    program = tmp_path / "sealift"
    program.write_text(f"#!{sys.executable}\nfrom sealift.cli import main\nmain()\n")
    program.chmod(0o700)
    script = 'eval "$(sealift completion bash)"; COMP_WORDS=($1); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); '
    script += '[ "${1% }" = "$1" ] || COMP_WORDS[++COMP_CWORD]=; compopt() { echo "compopt $2"; }; '
    script += '_sealift_completion sealift; printf "%s\\n" "${COMPREPLY[@]}"'
    environ = clean_environ()
    environ["PATH"] = f"{tmp_path}:{environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script, "bash", words], env=environ, check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


def test_bash_completes_commands_and_options(tmp_path: Path) -> None:
    assert complete("sealift c", tmp_path) == ["cache", "cat", "completion", "cp"]
    assert complete("sealift cp --source-r", tmp_path) == ["--source-region"]


def test_bash_completes_paths_but_not_uris(tmp_path: Path) -> None:
    assert complete("sealift cp mod", tmp_path) == ["compopt default", ""]
    assert complete("sealift cp s3://ml-models/i", tmp_path) == [""]
