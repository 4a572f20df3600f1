"""Lines about the progress, for `kubectl logs`."""

import logging
import time

import pytest

from sealift.integrations.kserve.logs import logger
from sealift.integrations.kserve.progress_log import log_progress
from sealift.progress.tally import Tally


def test_a_line_per_interval_and_none_after_the_end(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger=logger.name):
        with log_progress(Tally(), interval=0.001):
            while not caplog.records:
                time.sleep(0.001)
        count = len(caplog.records)
        assert caplog.messages[0] == "listing objects"
        time.sleep(0.01)
        assert len(caplog.records) == count
