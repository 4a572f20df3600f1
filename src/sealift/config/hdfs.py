"""HDFS, read through WebHDFS."""

import os
from collections.abc import Mapping
from dataclasses import field, replace
from typing import Self
from urllib.parse import urlsplit

from ..errors import InvalidConfig
from ..frozen_dataclass import dataclass, short_repr
from .checks import check_strings, paths_as_text
from .http import check_headers

__all__ = ["HDFSConfig"]

# The entries of KServe's secret that matter here.
_SECRET = {
    "HDFS_NAMENODE", "HDFS_ROOTPATH", "USER_PROXY", "HEADERS", "TLS_SKIP_VERIFY", "TLS_CERT", "TLS_KEY", "TLS_CA",
    "KERBEROS_PRINCIPAL", "KERBEROS_KEYTAB",
}  # fmt: skip
_FORM = "write it as http://HOST:9870 or https://HOST:9871; separate those of one cluster by semicolons"


@dataclass(frozen=True, slots=True)
class HDFSConfig:
    """HDFS, read through WebHDFS or HttpFS.

    Args:
        namenode: Address of WebHDFS, such as "http://namenode:9870"; several, separated by ";", for high availability.
            A gateway may have a path in it. With it, `hdfs://user/me/model` is the path "/user/me/model", as in KServe;
            None: the URI names the namenode, as in `webhdfs://namenode:9870/user/me/model`.
        user: User name that is sent without a proof of identity (Hadoop's "simple" authentication).
        delegation_token: Delegation token; sent instead of the user name.
        proxy_user: User to act for (`doas`), which the cluster must allow.
        root: Directory that all paths are relative to, such as "/models". "": the root of the file system.
        headers: Headers for the namenodes only, for example of a gateway; never sent to datanodes.
        client_certificate: PEM file of a client certificate.
        client_key: PEM file of its private key. None: `client_certificate` holds it, too.
        kerberos: Sign in with Kerberos: with `keytab`, or else with the tickets of `kinit`. Needs `sealift[kerberos]`.
        principal: Kerberos principal of the keytab.
        keytab: Keytab file.
        verify_ssl: As in `HTTPConfig`.

    Raises:
        InvalidConfig: An address is not an http or https URL, `root` is not an absolute path, or settings contradict
            each other.

    Example:
        >>> HDFSConfig("http://nn1:9870;http://nn2:9870", user="models").user
        'models'
    """

    namenode: str | None = None
    user: str | None = None
    delegation_token: str | None = field(default=None, repr=False)
    proxy_user: str | None = None
    root: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    client_certificate: str | os.PathLike[str] | None = None
    client_key: str | os.PathLike[str] | None = None
    kerberos: bool = False
    principal: str | None = None
    keytab: str | os.PathLike[str] | None = None
    verify_ssl: bool | str | os.PathLike[str] = True

    def __post_init__(self) -> None:
        paths_as_text(self)
        check_strings(self)
        check_headers("HDFSConfig", self.headers)
        for url in self.namenodes:
            _check_url(url)
        if self.namenode is not None and not self.namenodes:
            raise InvalidConfig("HDFSConfig(namenode=…) names no namenode", hint=_FORM)
        if self.root and (not self.root.startswith("/") or {".", ".."} & set(self.root.split("/"))):
            raise InvalidConfig(f"HDFSConfig(root={self.root!r}) is not an absolute path", hint="begin it with a slash")
        if self.delegation_token and (self.kerberos or self.proxy_user):
            raise InvalidConfig(
                "HDFSConfig with a delegation token and kerberos or proxy_user", hint="a token stands for its own user"
            )
        if (self.keytab is None) != (self.principal is None):
            raise InvalidConfig("HDFSConfig needs keytab and principal together", hint="pass both, or neither")
        if self.client_key is not None and self.client_certificate is None:
            raise InvalidConfig("HDFSConfig(client_key=…) without client_certificate", hint="pass both")

    __repr__ = short_repr

    @property
    def namenodes(self) -> list[str]:
        """The addresses of the namenodes."""
        return [url.strip().rstrip("/") for url in (self.namenode or "").split(";") if url.strip()]

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the environment.

        Args:
            environ: Environment with `HDFS_NAMENODE`, `HDFS_ROOTPATH`, `HDFS_DELEGATION_TOKEN`, and Hadoop's
                `HADOOP_USER_NAME` and `HADOOP_PROXY_USER`. With `HDFS_NAMENODE`, the other entries of KServe's secret
                may be variables, too: see `from_secret`.

        Raises:
            InvalidConfig: A variable is not valid. The message shows no header.
        """
        root = environ.get("HDFS_ROOTPATH") or ""
        config = cls.from_secret(environ) if environ.get("HDFS_NAMENODE") else cls(root=root)
        return replace(
            config,
            user=environ.get("HADOOP_USER_NAME") or None,
            delegation_token=(environ.get("HDFS_DELEGATION_TOKEN") or "").strip() or None,
            proxy_user=config.proxy_user or environ.get("HADOOP_PROXY_USER") or None,
        )

    @classmethod
    def from_secret(cls, entries: Mapping[str, str]) -> Self:
        """Read the entries of KServe's secret for HDFS.

        Args:
            entries: `HDFS_NAMENODE`, `HDFS_ROOTPATH`, `USER_PROXY`, `HEADERS` (a JSON object), `TLS_SKIP_VERIFY` and
                `KERBEROS_PRINCIPAL`, and the paths of the files `TLS_CERT`, `TLS_KEY`, `TLS_CA` and `KERBEROS_KEYTAB`.
                Others are ignored, such as `N_THREADS`.

        Raises:
            InvalidConfig: An entry is not valid. The message shows no header.

        Source: https://kserve.github.io/website/docs/model-serving/storage/providers/hdfs
        """
        text = {name: value.strip() for name, value in entries.items() if name in _SECRET and value.strip()}
        skip = text.get("TLS_SKIP_VERIFY", "").lower() == "true"
        return cls(
            namenode=text.get("HDFS_NAMENODE"),
            proxy_user=text.get("USER_PROXY"),
            root=text.get("HDFS_ROOTPATH", ""),
            headers=_json_headers(text["HEADERS"]) if "HEADERS" in text else {},
            client_certificate=text.get("TLS_CERT"),
            client_key=text.get("TLS_KEY") if "TLS_CERT" in text else None,
            kerberos="KERBEROS_PRINCIPAL" in text,
            principal=text.get("KERBEROS_PRINCIPAL") if "KERBEROS_KEYTAB" in text else None,
            keytab=text.get("KERBEROS_KEYTAB") if "KERBEROS_PRINCIPAL" in text else None,
            verify_ssl=False if skip else text.get("TLS_CA", True),
        )


def _check_url(url: str) -> None:
    try:
        split = urlsplit(url)
        valid = split.scheme in {"http", "https"} and bool(split.hostname) and split.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise InvalidConfig("HDFSConfig(namenode=…) is not a list of http or https URLs", hint=_FORM)
    if "@" in split.netloc or split.query or split.fragment:
        raise InvalidConfig("HDFSConfig(namenode=…) contains more than a host, port and path", hint=_FORM)


def _json_headers(text: str) -> dict[str, str]:
    import json  # noqa: PLC0415 - few secrets have headers

    try:
        headers = json.loads(text)
    except ValueError:
        headers = None
    if not isinstance(headers, dict):
        raise InvalidConfig("the entry HEADERS of the HDFS secret is not a JSON object")
    return headers
