"""What recorded the registries beside this file, run with the official `mlflow` 3.6 (files) and 3.17.2 (database):

python record_registry.py file:///srv/team/mlruns          -> registry.tar.gz (3.6)
python record_registry.py sqlite:////srv/team/mlflow.db    -> registry317.sql (a dump of the tables of the registry and of runs)
"""

import sys
import time

import mlflow
from mlflow import MlflowClient

mlflow.set_tracking_uri(sys.argv[1])
client = MlflowClient()
run = client.create_run("0", run_name="train")
model = client.create_logged_model("0", name="net", source_run_id=run.info.run_id)
client.create_registered_model("net one", tags={"team": "red", "empty": ""}, description="hello\nworld: *x* é")
for number in range(1, 5):
    source = f"models:/{model.model_id}" if number == 2 else f"{run.info.artifact_uri}/model{number}"
    client.create_model_version(
        "net one",
        source,
        run.info.run_id,
        tags={"q": str(number), "o k": "a'\nb"} if number < 3 else None,
        run_link="http://ci/7" if number == 1 else None,
        description=f"version {number}" if number < 4 else None,
        model_id=model.model_id if number == 2 else None,
    )
    time.sleep(0.01)
client.transition_model_version_stage("net one", "1", "Production")
client.transition_model_version_stage("net one", "2", "Production", archive_existing_versions=True)
client.transition_model_version_stage("net one", "3", "Staging")
client.set_registered_model_alias("net one", "champ", "2")
client.set_registered_model_alias("net one", "Old-1", "1")
client.delete_model_version("net one", "4")
client.create_registered_model("bare")
client.create_registered_model("copy")
client.copy_model_version("models:/net one/1", "copy")
if sys.argv[1].startswith("sqlite"):
    mlflow.genai.register_prompt(name="asked", template="Hi {{x}}")
