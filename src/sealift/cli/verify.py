"""`sealift verify`."""

import click

from ..progress.units import count
from .escaping import for_stdout
from .formatting import json_line
from .option_groups import Command
from .options import json_option, storage_options, timeout_option
from .run import run
from .settings import Settings
from .signature_options import chosen_trust, signature_options
from .stdout import print_line

__all__ = ["verify"]


@click.command(
    cls=Command,
    short_help="Verify the signature of a model on the disk.",
    epilog="""\b
Examples:
  sealift verify --signature llama/model.sig --public-key release.pub llama
  sealift verify --signature llama/model.sig --certificate-chain ca.pem llama
  sealift verify --signature llama/model.sig --identity release@example.com --issuer https://accounts.google.com llama
""",
)
@click.argument("path", type=click.Path(exists=True))
@signature_options
@json_option
@timeout_option
@storage_options
@click.pass_obj
def verify(settings: Settings, /, path: str, **options: str | None) -> None:
    """Compare the files of a directory, or one file, with an OpenSSF model signature.

    The signature is that of the model's files, as the package model-signing writes it. All files are read. The exit
    code is 1 if the signature is not valid, or if a file is missing, was added, or differs.

    Keyless signatures (--identity) need the package sigstore: pip install 'sealift[sigstore]'.
    """
    trust = chosen_trust(**options)
    if trust is None:
        raise click.UsageError("--signature is missing")
    storage = settings.storage()
    files = run(lambda: storage.verify_signature(path, trust, timeout=settings.timeout))
    if settings.as_json:
        print_line(json_line(path=path, verified=True, files=files))
    else:
        print_line(f"{for_stdout(path)}: {count(files, 'file')}, as they were signed")
