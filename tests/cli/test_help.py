import subprocess
import sys

import pytest
from click.testing import CliRunner, Result

from sealift.cli import exit_codes, main

from .program import run


def help_of(*command: str) -> Result:
    return CliRunner().invoke(main, [*command, "--help"])


@pytest.mark.parametrize("command", main.commands)
def test_each_command_has_examples(command: str) -> None:
    result = help_of(command)
    assert result.exit_code == exit_codes.OK
    assert f"\n    sealift {command} " in result.stdout.partition("Examples:")[2]


@pytest.mark.parametrize("command", [name for name, command in main.commands.items() if name != "config"])
def test_options_of_services_are_grouped(command: str) -> None:
    text = help_of(command).stdout
    if "--endpoint-url" in text:
        assert text.index("\nServices:") < text.index("--endpoint-url URL") < text.index("\nLimits:")


def test_exit_codes_are_documented() -> None:
    documented = help_of().stdout.partition("Exit codes:\n")[2].splitlines()
    assert [tuple(line.split(maxsplit=1)) for line in documented] == [
        (str(code), message) for code, message in exit_codes.EXIT_CODES.items()
    ]


def test_command_summaries_fit_on_a_line() -> None:
    assert "..." not in help_of().stdout.partition("Commands:")[2]


def test_version() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert result.exit_code == exit_codes.OK
    assert result.stdout.startswith("sealift ")


def test_no_command_is_a_usage_error() -> None:
    result = CliRunner().invoke(main, [])
    assert (result.exit_code, result.stdout) == (exit_codes.USAGE, "")
    assert "Examples:" in result.stderr


def test_help_imports_no_storage() -> None:
    heavy = {"aiobotocore", "botocore", "sklearn", "sealift.api.async_storage"}
    code = f"import sys, sealift.cli; print({heavy} & {{*sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert loaded == "set()\n"
    assert run("--help").stdout.startswith("Usage: ")
