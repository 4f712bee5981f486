"""Looks at the data before anything is fitted to it."""

from __future__ import annotations

import argparse

from customers import customers

import millstream as mlflow

parser = argparse.ArgumentParser()
parser.add_argument("--customers", type=int, default=1000)

features, left = customers(parser.parse_args().customers)
with mlflow.start_run():
    mlflow.log_metrics({"customers": len(left), "share_left": float(left.mean())})
print(f"{len(left)} customers, {left.mean():.0%} left")
