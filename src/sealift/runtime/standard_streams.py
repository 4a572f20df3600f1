"""Keep the descriptors 0, 1 and 2 free of files and sockets, in processes that were started without them.

Daemons, cron jobs and `sealift cp … >&-` may run with stdin, stdout or stderr closed. The next file that is opened then
gets that number: what anything prints goes into it, and libuv aborts when it closes such a descriptor.
"""

import os

__all__ = ["reserve_descriptors"]


def reserve_descriptors() -> None:
    """Open `/dev/null` for each of the descriptors 0, 1 and 2 that is closed.

    It is opened so that reading from stdin, and writing to stdout or stderr, still fails, as GNU programs do
    (https://www.gnu.org/software/gnulib/manual/html_node/stdopen.html). Child processes inherit it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number, which is this one unless another thread opens something at the same time.
            descriptor = os.open(os.devnull, os.O_RDONLY if number else os.O_WRONLY)
            if descriptor > 2:
                os.close(descriptor)
            else:
                os.set_inheritable(descriptor, True)
