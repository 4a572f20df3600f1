"""The configuration that is used for a bucket, and where each value comes from, without secrets."""

from ...config import GCSConfig
from ...config.setting import Setting
from ...instance import Instance
from ...uri import Location
from .credentials import credentials_file

__all__ = ["describe"]


async def describe(location: Location, config: GCSConfig | None, instance: Instance) -> dict[str, Setting]:  # noqa: ARG001 - as of all backends
    """Describe the endpoint and the credentials of a bucket.

    Args:
        location: The bucket.
        config: The caller's configuration. None: the environment's.
        instance: Provides the environment.

    Raises:
        InvalidConfig: The credentials file is not valid.
    """
    environment = GCSConfig.from_env(instance.environ)
    chosen = config or environment
    endpoint, source = chosen.endpoint_url, "the configuration"
    if endpoint is None or config is None:
        endpoint, source = environment.endpoint_url, "STORAGE_EMULATOR_HOST"
    if not endpoint:
        endpoint, source = "https://storage.googleapis.com", "the default"
    facts = {"endpoint": Setting(endpoint, source)}
    if chosen.anonymous or (environment.endpoint_url and chosen.service_account_key is None):
        return {**facts, "credentials": Setting("none: requests are anonymous")}
    path, content = await instance.disk.run(lambda: credentials_file(chosen, instance.environ))
    if path is None:
        return {**facts, "credentials": Setting("the metadata server of this machine")}
    if chosen.service_account_key:
        source = "the configuration"
    elif instance.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        source = "GOOGLE_APPLICATION_CREDENTIALS"
    else:
        source = "gcloud"
    account = content.get("client_email")
    named = f" of {account}" if isinstance(account, str) else ""
    return {**facts, "credentials": Setting(f"{content.get('type', 'unknown')}{named} in {path}", source)}
