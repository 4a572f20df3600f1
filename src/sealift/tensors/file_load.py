"""What a call reads of one file."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..engine.verification import SIZE_ONLY, unverifiable
from ..operations.open_location import OpenLocation
from ..types import Verify
from .file_check import FileCheck
from .requests import Method, choose_methods, plan_requests
from .target import Target
from .tensor_files import TensorFile

if TYPE_CHECKING:
    import asyncio

__all__ = ["FileLoad"]


class FileLoad:
    """What a call reads of one file.

    Args:
        source: Where the file is.
        file: The file.
        targets: The tensors to read, in the order of their bytes.
        verify: As in `AsyncStorage.download`.
        length: Bytes that a request has at most.

    Attributes:
        methods: How each tensor is read.
        requests: The requests; none for a file without ranges.
        check: Compares the checksum. None: not all of the file is read.

    Raises:
        IntegrityError: A checksum is required, and only a part is read.
    """

    def __init__(
        self, source: OpenLocation, file: TensorFile, targets: Sequence[Target], verify: Verify, length: int
    ) -> None:
        self.file = file
        self.targets = targets
        self.methods: dict[str, Method] = dict(choose_methods(target.selected for target in targets))
        self.requests = list(plan_requests(targets, self.methods, length)) if file.ranged else []
        whole = len(targets) == len(file.header.tensors) and all(target.selected.is_whole for target in targets)
        self.check = FileCheck(source, file, len(self.requests), verify) if whole and file.ranged else None
        if self.check is None and verify == "require":
            raise unverifiable(f"only a part of {file.name!r} is read, or it can only be read in order")
        self.prepared: asyncio.Task[None] | None = None
        if not file.ranged:
            for target in targets:
                target.requested = target.selected.nbytes
        for request in self.requests:
            for piece in request.pieces:
                piece.target.missing += 1
                size = request.end - request.start if len(request.pieces) == 1 else piece.nbytes
                piece.target.requested += size

    @property
    def verified(self) -> str:
        """The checksum that was compared, `SIZE_ONLY`, or "": not known yet."""
        return SIZE_ONLY if self.check is None else self.check.outcome
