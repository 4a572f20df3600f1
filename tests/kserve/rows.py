"""All situations in which `kserve_storage` is called, and what sealift's makes of them.

`test_kserve_storage.py` tests sealift with them; `python -m tests.kserve` also runs the original, and fails unless both
agree or the row says why sealift is better.
"""

from tests.kserve.azure_rows import AZURE_ROWS
from tests.kserve.bucket_rows import GCS_ROWS, S3_ROWS
from tests.kserve.local_rows import LOCAL_ROWS
from tests.kserve.repository_rows import GIT_ROWS, HUB_ROWS, IMAGE_ROWS, MODELSCOPE_ROWS
from tests.kserve.several_rows import SEVERAL_ROWS
from tests.kserve.web_rows import WEB_ROWS

__all__ = ["ROWS"]

ROWS = [
    *S3_ROWS, *GCS_ROWS, *AZURE_ROWS, *WEB_ROWS, *HUB_ROWS, *MODELSCOPE_ROWS, *IMAGE_ROWS, *GIT_ROWS, *LOCAL_ROWS,
    *SEVERAL_ROWS,
]  # fmt: skip
