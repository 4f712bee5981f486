"""`mlflow.entities.model_registry.model_version_stages`: the stages as constants."""

from millstream.entities import ModelVersionStages

STAGE_NONE = ModelVersionStages.NONE.value
STAGE_STAGING = ModelVersionStages.STAGING.value
STAGE_PRODUCTION = ModelVersionStages.PRODUCTION.value
STAGE_ARCHIVED = ModelVersionStages.ARCHIVED.value
STAGE_DELETED_INTERNAL = "Deleted_Internal"
"""Where MLflow's stores put a deleted version; here it is gone."""

ALL_STAGES = [stage.value for stage in ModelVersionStages]
DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS = [STAGE_STAGING, STAGE_PRODUCTION]
