"""Errors of the KServe API, which model servers raise. sealift itself never does."""

__all__ = ["InferenceError", "ModelNotFound"]


class ModelNotFound(Exception):
    """The model server has no model of this name.

    Args:
        model_name: The model's name.
    """

    def __init__(self, model_name: str | None = None) -> None:
        super().__init__(model_name)
        self.model_name = model_name

    def __str__(self) -> str:
        return f"Model with name {self.model_name} does not exist." if self.model_name else "Model does not exist."


class InferenceError(RuntimeError):
    """An inference failed.

    Args:
        reason: Why it failed.
        status: Status code of the error.
        debug_details: Details for debugging.
    """

    def __init__(self, reason: str, status: str | None = None, debug_details: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.debug_details = debug_details

    def __str__(self) -> str:
        return self.reason if self.status is None else f"{self.reason} (status {self.status})"
