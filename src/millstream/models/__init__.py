"""Models: saved, logged and loaded in files that MLflow reads and writes too.

millstream.sklearn.log_model(model, name="model", input_example=X[:5])
millstream.pyfunc.load_model("models:/m-…").predict(X)
millstream.models.infer_signature(X, model.predict(X))

Names are imported when they are first used.
"""

from __future__ import annotations

from millstream import lazy

__getattr__, __dir__, __all__ = lazy.names(
    __name__,
    {
        "environments": "update_model_requirements",
        "environments.inference": "infer_pip_requirements",
        "models.enforcement": "validate_schema",
        "models.examples": "convert_input_example_to_serving_input",
        "models.mlmodel": "Model ModelInfo get_model_info",
        "models.pyfunc.code_models": "ModelConfig set_model",
        "models.signature": "ModelSignature infer_signature set_signature",
        "models.trust": "UntrustedModel",
        "serving": "build_docker predict validate_serving_input",
    },
)
