"""Which cloud this machine is in, as far as its firmware says."""

import os
from contextlib import suppress
from typing import Literal

__all__ = ["Cloud", "cloud_of_machine"]

Cloud = Literal["aws", "google", "azure"]

# The asset tag of all virtual machines of Azure: https://github.com/canonical/cloud-init, DataSourceAzure.py
_AZURE_TAG = "7783-7084-3265-9085-8269-3286-77"


def cloud_of_machine(sysfs: str = "/sys") -> Cloud | None:
    """Return the cloud that this machine is in; None: it is in none of them, or does not say. Blocking.

    Args:
        sysfs: Where the kernel shows the devices.

    Sources: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/identify_ec2_instances.html, and google-auth, which
    reads the product name.
    """
    product = _read(sysfs, "class/dmi/id/product_name")
    if _read(sysfs, "class/dmi/id/sys_vendor") == "Amazon EC2" or _read(sysfs, "hypervisor/uuid").startswith("ec2"):
        return "aws"
    if product.startswith("Google"):
        return "google"
    return "azure" if _read(sysfs, "class/dmi/id/chassis_asset_tag") == _AZURE_TAG else None


def _read(sysfs: str, name: str) -> str:
    with suppress(OSError, ValueError), open(os.path.join(sysfs, name), encoding="ascii") as file:
        return file.read().strip()
    return ""
