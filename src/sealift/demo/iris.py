"""A small real model: which kind of iris a flower is, from the size of its leaves."""

from pathlib import Path
from typing import Any

import joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

__all__ = ["accuracy", "train"]

Flowers = tuple[Any, Any]


def train(path: Path) -> Flowers:
    """Train the model and save it.

    Args:
        path: The file to write.

    Returns:
        Flowers that it has not seen: their measures, and their kinds.
    """
    measures, kinds = load_iris(return_X_y=True)
    seen, unseen, seen_kinds, unseen_kinds = train_test_split(measures, kinds, random_state=0, stratify=kinds)
    joblib.dump(LogisticRegression(max_iter=1000).fit(seen, seen_kinds), path)
    return unseen, unseen_kinds


def accuracy(predicted: Any, kinds: Any) -> float:
    """The share of right predictions."""
    return float((predicted == kinds).mean())
