"""Customers who stay or leave, made up: the same seed makes the same ones."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import make_classification


def customers(count: int = 1000, seed: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Features, shape (count, 8), and whether each customer left, shape (count,)."""
    features, left = make_classification(
        count, n_features=8, n_informative=4, weights=[0.7], flip_y=0.05, random_state=seed
    )
    return features, left
