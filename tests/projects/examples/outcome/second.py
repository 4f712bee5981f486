"""The run that was made for the command is for the first; the second is one more."""

import mlflow

for number in ("first", "second"):
    with mlflow.start_run(run_name=None if number == "first" else number):
        mlflow.set_tag("which", number)
