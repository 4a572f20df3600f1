"""The storage profile of the scripts that use NVIDIA's multi-storage-client."""

import os

import multistorageclient as msc

PROFILE = "bench"


def client(bucket: str, *, rust: bool) -> msc.StorageClient:
    """A client of one bucket, with its defaults or with the Rust client.

    The profile needs the endpoint and, for boto3, the certificates; both clients read the keys from the environment.
    """
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    options: dict[str, object] = {
        "base_path": bucket,
        "region_name": os.environ["AWS_REGION"],
        "endpoint_url": endpoint,
    }
    if bundle := os.environ.get("AWS_CA_BUNDLE"):
        # The Rust client has no option for certificates and reads those of the system.
        os.environ["SSL_CERT_FILE"] = bundle
    if rust:
        options["rust_client"] = {"allow_http": True} if endpoint.startswith("http:") else {}
    config = {"profiles": {PROFILE: {"storage_provider": {"type": "s3", "options": options}}}}
    return msc.StorageClient(msc.StorageClientConfig.from_dict(config, PROFILE))
