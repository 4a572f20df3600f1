"""Run a cell in a Jupyter kernel, and print the messages that a notebook would get as lines of JSON.

python -m tests.api.notebook CODE
"""

import json
import sys
from typing import Any

from jupyter_client.manager import start_new_kernel


def main() -> None:
    manager, client = start_new_kernel(startup_timeout=60)
    try:

        def show(message: dict[str, Any]) -> None:
            print(json.dumps({"type": message["msg_type"], "content": message["content"]}, default=str))

        client.execute_interactive(sys.argv[1], output_hook=show, timeout=60)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


if __name__ == "__main__":
    main()
