"""Fits boosted trees that tell who will leave; `alpha` is how fast they learn."""

from __future__ import annotations

import argparse

from customers import customers
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

import millstream as mlflow

parser = argparse.ArgumentParser()
parser.add_argument("--alpha", type=float, default=0.5)
parser.add_argument("--depth", type=int, default=3)
arguments = parser.parse_args()

features, left = customers()
train_x, test_x, train_y, test_y = train_test_split(features, left, random_state=7)
with mlflow.start_run():
    model = GradientBoostingClassifier(
        n_estimators=30, learning_rate=arguments.alpha, max_depth=arguments.depth, random_state=7
    )
    model.fit(train_x, train_y)
    auc = roc_auc_score(test_y, model.predict_proba(test_x)[:, 1])
    mlflow.log_metric("auc", auc)
print(f"auc {auc:.3f}")
