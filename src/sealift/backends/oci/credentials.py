"""Credentials for a registry: from the configuration, the files of docker and podman, and credential helpers. Blocking.

https://docs.docker.com/reference/cli/docker/login/#credential-stores and
https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md
"""

import base64
import binascii
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from ...config import OCIConfig, expand_home
from ...errors import AccessDenied, InvalidConfig
from ...frozen_dataclass import dataclass
from ...runtime.start_thread import limit_reached

__all__ = ["FILE_VARIABLES", "NO_CREDENTIALS", "Credentials", "find_credentials"]

FILE_VARIABLES = ("KSERVE_OCI_DOCKER_CONFIG", "DOCKER_CONFIG", "XDG_RUNTIME_DIR", "HOME", "PATH")
"""Variables that decide which files and credential helpers are found."""

_HUB = "docker.io"
_HUB_NAMES = ("https://index.docker.io/v1/", "index.docker.io", "registry-1.docker.io")
_HELPER_SECONDS = 60
_IDENTITY = "<token>"
"""The username with which a helper marks an identity token."""
_MOUNTED = "/mnt/oci-fetch-auth/config.json"
"""Where KServe mounts the image pull secret, by default."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a registry or its token service accepts.

    Attributes:
        username: Name of the user, with `password`.
        password: Password of the user.
        identity_token: Token that the token service exchanges for others, instead of a password.
        source: Where they come from, for messages.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    source: str = ""

    def __bool__(self) -> bool:
        return bool(self.username or self.identity_token)

    @property
    def basic(self) -> str:
        """Value of an Authorization header with the username and the password."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


NO_CREDENTIALS = Credentials()


def find_credentials(
    registry: str, repository: str, config: OCIConfig, environment: OCIConfig, environ: Mapping[str, str]
) -> Credentials:
    """Find the credentials for a repository.

    Args:
        registry: Host of the registry, with its port.
        repository: Name of the repository.
        config: The caller's configuration.
        environment: The configuration of the environment.
        environ: Environment variables, also for credential helpers.

    Raises:
        AccessDenied: A file named by the caller or by a variable does not exist or cannot be read, or a helper failed.
    """
    if config.anonymous or config.token:
        return NO_CREDENTIALS
    if config.username:
        return Credentials(config.username, config.password or "", source="the configuration")
    named = config.auth_file or environment.auth_file
    for file in [os.fspath(named)] if named else _default_files(environ):
        document = _read(file, required=named is not None)
        found = _in_file(document, file, registry, repository, environ)
        if found:
            return found
    return NO_CREDENTIALS


def _default_files(environ: Mapping[str, str]) -> Iterator[str]:
    if environ.get("KSERVE_OCI_DOCKER_CONFIG"):
        yield environ["KSERVE_OCI_DOCKER_CONFIG"]
    if environ.get("DOCKER_CONFIG"):
        yield os.path.join(environ["DOCKER_CONFIG"], "config.json")
    if environ.get("XDG_RUNTIME_DIR"):
        yield os.path.join(environ["XDG_RUNTIME_DIR"], "containers", "auth.json")
    for path in ("~/.config/containers/auth.json", "~/.docker/config.json"):
        if expanded := expand_home(path, environ):
            yield expanded
    yield _MOUNTED


def _read(file: str, *, required: bool) -> dict[str, Any]:
    """Read a file of credentials; a default one that does not exist is empty."""
    reason = "it is not a JSON object"
    try:
        with open(file, encoding="utf-8") as opened:
            document = json.load(opened)
        if isinstance(document, dict):
            return document
    except OSError as problem:
        if not required and isinstance(problem, FileNotFoundError | NotADirectoryError | PermissionError):
            return {}
        reason = problem.strerror or "unknown error"
    except (ValueError, RecursionError):  # the message may quote a secret
        pass
    raise AccessDenied(f"the file of credentials {file} cannot be read: {reason}", hint="run docker login again")


def _in_file(
    document: Mapping[str, Any], file: str, registry: str, repository: str, environ: Mapping[str, str]
) -> Credentials:
    helpers, entries = _section(document, "credHelpers"), _section(document, "auths")
    for name in _names(registry, repository):
        if isinstance(helper := helpers.get(name), str):
            return _from_helper(helper, name, environ)
    for name in _names(registry, repository):
        entry = entries.get(name)
        if isinstance(entry, dict) and (found := _decoded(entry, file, name)):
            return found
    store = document.get("credsStore")
    if isinstance(store, str) and store:
        return _from_helper(store, _HUB_NAMES[0] if registry == _HUB else registry, environ)
    return NO_CREDENTIALS


def _section(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def _names(registry: str, repository: str) -> list[str]:
    """The names under which a file may have the credentials, the most specific one first: podman knows repositories."""
    parts = f"{registry}/{repository}".split("/")
    names = ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]
    names += [
        f"{scheme}{registry}{path}" for scheme in ("https://", "http://", "") for path in ("/v2/", "/v1/", "/", "")
    ]
    return [*names, *(_HUB_NAMES if registry == _HUB else ())]


def _decoded(entry: Mapping[str, Any], file: str, name: str) -> Credentials:
    """The credentials of an entry; those of a credential store are empty."""
    fields = {key: value for key, value in entry.items() if isinstance(value, str)}
    identity = fields.get("identitytoken", "")
    username, password = fields.get("username", ""), fields.get("password", "")
    if fields.get("auth"):
        try:
            text = base64.b64decode(fields["auth"], validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            text = ""
        username, colon, password = text.rstrip("\0").partition(":")
        if not colon:
            raise AccessDenied(f"{file} has no valid credentials for {name}", hint="run docker login again")
    return Credentials(username, password, identity, file) if username or identity else NO_CREDENTIALS


def _from_helper(helper: str, registry: str, environ: Mapping[str, str]) -> Credentials:
    """Run a credential helper: https://github.com/docker/docker-credential-helpers#development.

    Raises:
        AccessDenied: The helper failed.
        InvalidConfig: The helper has no valid name.
        NoThreadError: No process can be started.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", helper):
        raise InvalidConfig("the name of a credential helper in docker's configuration is not valid")
    program = f"docker-credential-{helper}"
    failure: str | None = None
    output = ""
    try:
        done = subprocess.run(  # noqa: S603 - named by the user's own configuration
            [program, "get"],
            input=registry,
            capture_output=True,
            text=True,
            timeout=_HELPER_SECONDS,
            check=False,
            env=dict(environ),
        )
        output = done.stdout
        if done.returncode:
            # What it prints is no secret, if it fails: but only this message is known.
            missing = "credentials not found" in output.lower()
            failure = None if missing else f"it ended with status {done.returncode}"
            if missing:
                return NO_CREDENTIALS
    except BlockingIOError:
        raise limit_reached("a process") from None
    except (OSError, UnicodeDecodeError) as problem:
        failure = getattr(problem, "strerror", None) or "its output is not text"
    except subprocess.TimeoutExpired:
        failure = f"it did not end within {_HELPER_SECONDS} s"
    if failure is None:
        try:
            answer = json.loads(output)
            username, secret = answer["Username"], answer["Secret"]
        except (ValueError, RecursionError, LookupError, TypeError):
            username, secret = "", ""
        if isinstance(username, str) and isinstance(secret, str) and username and secret:
            if username == _IDENTITY:
                return Credentials(identity_token=secret, source=program)
            return Credentials(username, secret, source=program)
        failure = "its output has no username and secret"
    raise AccessDenied(
        f"the credential helper {program} failed: {failure}", hint="run it by hand, or docker login again"
    )
