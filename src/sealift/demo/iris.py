"""A small real model: classifies iris flowers by their measurements."""

from pathlib import Path
from typing import Any

import joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

__all__ = ["accuracy", "train"]

TestSet = tuple[Any, Any]


def train(path: Path) -> TestSet:
    """Train the model and save it.

    Args:
        path: The file to write.

    Returns:
        The test set: measurements and classes of flowers that the model was not trained on.
    """
    measurements, classes = load_iris(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(measurements, classes, random_state=0, stratify=classes)
    joblib.dump(LogisticRegression(max_iter=1000).fit(train_x, train_y), path)
    return test_x, test_y


def accuracy(predicted: Any, classes: Any) -> float:
    """Return the share of correct predictions."""
    return float((predicted == classes).mean())
