"""Millstream and the official MLflow side by side, doing the same work. `python -m benchmarks --help`."""
