import sys

import mlflow

mlflow.start_run()
mlflow.end_run(sys.argv[1])
