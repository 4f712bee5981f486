"""Pretends to train: a number made of its two parameters."""

import json
import sys

import mlflow

alpha, l1_ratio = sys.argv[1:3]
with mlflow.start_run():
    mlflow.set_tag("given", json.dumps(sys.argv[1:]))
    mlflow.log_metric("loss", float(alpha) * 2 + float(l1_ratio))
