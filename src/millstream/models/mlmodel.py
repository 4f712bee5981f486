"""The MLmodel file: what a model is, in YAML beside its files.

Every version since 0.x is read; the current one is written. Keys and flavors that are not known here are kept. Paths and URIs
inside are what the writer saw: they are shown, never followed.

To add a key: a field of `Model` and a row of `_FIELDS`. A reader of an older version keeps it as an unknown key.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from millstream import safe_yaml
from millstream.errors import ArtifactNotFound, InvalidValue, NotFound
from millstream.models.signature import ModelSignature
from millstream.version import MLFLOW_API_VERSION

if TYPE_CHECKING:
    from millstream.models.types import ParamSchema, Schema

MLMODEL = "MLmodel"

_FIELDS = (
    "artifact_path", "run_id", "model_id", "model_uuid", "utc_time_created", "mlflow_version", "flavors", "signature",
    "saved_input_example_info", "metadata", "model_size_bytes", "prompts", "resources", "auth_policy", "env_vars",
)  # fmt: skip
_WRITTEN_AS_NULL = frozenset({"model_id", "model_uuid", "prompts"})
"""Keys that are written when they are None; other ones are left out."""
_HINT_FLAGS = ("is_signature_from_type_hint", "type_hint_from_example")


class Model:
    """The content of an MLmodel file.

    Args:
        artifact_path: where the writer put the model: a name in its run, or an absolute URI. Never followed.
        run_id, model_id: the run and the logged model it belongs to, if any.
        utc_time_created: text, or a time in UTC; now if not given.
        flavors: name of a flavor -> its settings.
        signature: a `ModelSignature`.
        saved_input_example_info: what `examples.save_example` gave.
        model_uuid: 32 hexadecimal digits, new if not given; None in files of before 1.14.
        mlflow_version: level of the format that the writer has.
        metadata: the user's own mapping.
        model_size_bytes: of the files, as measured just before MLmodel was written.
        resources, auth_policy, env_vars, prompts: kept as they are.
        more: any other key.
    """

    def __init__(
        self,
        /,
        artifact_path: str | None = None,
        run_id: str | None = None,
        utc_time_created: str | datetime | None = None,
        flavors: Mapping[str, Mapping[str, Any]] | None = None,
        signature: ModelSignature | None = None,
        saved_input_example_info: dict[str, Any] | None = None,
        model_uuid: str | None = "",
        mlflow_version: str | None = MLFLOW_API_VERSION,
        metadata: dict[str, Any] | None = None,
        model_size_bytes: int | None = None,
        resources: Any = None,
        env_vars: list[str] | None = None,
        auth_policy: Any = None,
        model_id: str | None = None,
        prompts: list[str] | None = None,
        **more: Any,
    ) -> None:
        self.artifact_path = artifact_path
        self.run_id = run_id
        self.utc_time_created = _time_text(datetime.now(UTC) if utc_time_created is None else utc_time_created)
        self.flavors: dict[str, dict[str, Any]] = {name: dict(keys) for name, keys in (flavors or {}).items()}
        self.signature = signature
        self.saved_input_example_info = saved_input_example_info
        self.model_uuid = uuid.uuid4().hex if model_uuid == "" else model_uuid
        self.mlflow_version = mlflow_version
        self.metadata = metadata
        self.model_size_bytes = model_size_bytes
        self.resources = resources
        self.env_vars = env_vars
        self.auth_policy = auth_policy
        self.model_id = model_id
        self.prompts = prompts
        self.more = {key: value for key, value in more.items() if key not in _HINT_FLAGS}

    def __getattr__(self, name: str) -> Any:
        """Other keys of the file are attributes too."""
        more = self.__dict__.get("more", {})
        if name in more:
            return more[name]
        raise AttributeError(f"The MLmodel has no {name!r}")

    # ------------------------------------------------------------ what it says
    def add_flavor(self, name: str, **params: Any) -> Model:
        """Add a flavor with its settings, or set another's anew. Returns the model itself."""
        self.flavors[name] = params
        return self

    def get_input_schema(self) -> Schema | None:
        return None if self.signature is None else self.signature.inputs

    def get_output_schema(self) -> Schema | None:
        return None if self.signature is None else self.signature.outputs

    def get_params_schema(self) -> ParamSchema | None:
        return None if self.signature is None else self.signature.params

    def load_input_example(self, path: str | os.PathLike[str]) -> Any:
        """The inputs of the example that was saved with the model in the folder `path`; None without one."""
        from millstream.models.examples import load_example

        return load_example(Path(path), self.saved_input_example_info) if self.saved_input_example_info else None

    def load_input_example_params(self, path: str | os.PathLike[str]) -> dict[str, Any] | None:
        """The parameters of that example; None without any."""
        from millstream.models.examples import load_example_params

        return load_example_params(Path(path), self.saved_input_example_info) if self.saved_input_example_info else None

    def get_serving_input(self, path: str | os.PathLike[str]) -> str | None:
        """The JSON text of a request with that example, as saved in the folder `path`; None without one."""
        from millstream.models.examples import load_serving_example

        info = self.saved_input_example_info
        return load_serving_example(Path(path), info) if info and info.get("serving_input_path") else None

    # ------------------------------------------------------------ logging
    @classmethod
    def log(
        cls,
        artifact_path: str | None,
        flavor: Any,
        registered_model_name: str | None = None,
        await_registration_for: int | None = 300,
        metadata: Mapping[str, Any] | None = None,
        run_id: str | None = None,
        *,
        name: str | None = None,
        model_type: str | None = None,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        step: int = 0,
        model_id: str | None = None,
        **given: Any,
    ) -> ModelInfo:
        """Log a model of a flavor that is not ours; what `log_model` of a community flavor calls.

        Args:
            flavor: a module with `save_model(path=, mlflow_model=, ...)`, which gets what is given further.
            run_id: the run that made the model; the active one if not given.
            For the others see `millstream.models.flavor.LogModel`.
        """
        from millstream.models.logging import Logging, log_foreign

        wanted = Logging(
            artifact_path=artifact_path,
            name=name,
            registered_model_name=registered_model_name,
            await_registration_for=await_registration_for,
            params=params,
            tags=tags,
            model_type=model_type,
            step=step,
            model_id=model_id,
            run_id=run_id,
        )
        return log_foreign(flavor, wanted, metadata, given)

    # ------------------------------------------------------------ forms
    def to_dict(self) -> dict[str, Any]:
        """The mapping that is written."""
        form = dict(self.more)
        for key in _FIELDS:
            value = getattr(self, key)
            if key == "signature":
                if value is not None:
                    form["signature"] = value.to_dict()
                    form.update(zip(_HINT_FLAGS, (value.is_from_type_hint, value.is_from_example), strict=True))
            elif value is not None or key in _WRITTEN_AS_NULL:
                form[key] = value
        if not form.get("model_size_bytes"):
            form.pop("model_size_bytes", None)
        return form

    def to_yaml(self) -> str:
        return safe_yaml.write(self.to_dict())

    def to_json(self) -> str:
        import json

        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, form: Mapping[str, Any], what: str = "The MLmodel") -> Model:
        """The model of a mapping that YAML or JSON gave. Raises InvalidValue naming the key that is wrong."""
        keys = dict(form)
        flavors = keys.pop("flavors", None) or {}
        if not isinstance(flavors, Mapping) or not all(isinstance(each, Mapping | None) for each in flavors.values()):
            raise InvalidValue(f"{what} is broken: `flavors` is a mapping of names to mappings, not {flavors!r:.200}.")
        keys["flavors"] = {str(name): each or {} for name, each in flavors.items()}
        signature = keys.pop("signature", None)
        if signature is not None:
            try:
                keys["signature"] = ModelSignature.from_dict(signature, *(bool(keys.get(flag)) for flag in _HINT_FLAGS))
            except InvalidValue as error:
                raise InvalidValue(f"{what} has a signature that cannot be read. {error.message}") from None
        for key in ("saved_input_example_info", "metadata"):
            if not isinstance(keys.get(key), Mapping | None):
                raise InvalidValue(f"{what} is broken: `{key}` is a mapping, not {keys[key]!r:.200}.")
        for key in ("run_id", "artifact_path", "model_id", "mlflow_version"):
            value = keys.get(key)
            keys[key] = None if value is None else str(value)
        keys["utc_time_created"] = _time_text(keys.get("utc_time_created") or "")
        uuid_text = keys.get("model_uuid")
        keys["model_uuid"] = None if uuid_text is None else str(uuid_text)
        return cls(**keys)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file `path`, whole or not at all."""
        target = Path(path)
        draft = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            draft.write_text(self.to_yaml(), encoding="utf-8")
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Model:
        """Read the MLmodel of a model's folder, or the file itself: a path or any URI of a model. Runs no code.

        Raises:
            NotFound: there is no such file.
            InvalidValue: it is not what an MLmodel can be.
        """
        uri = os.fspath(path)
        return cls.from_dict(safe_yaml.read_mapping(_read(uri), f"The MLmodel of {uri!r}"), f"The MLmodel of {uri!r}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Model({', '.join(self.flavors) or 'no flavors'}, signature={self.signature is not None}, id={self.model_id})"


def folder_of(uri: str) -> str:
    """The model's folder, where the file MLmodel in it may be given as well."""
    head, slash, last = uri.rpartition("/")
    if last == MLMODEL and not os.path.isdir(uri):
        return head if slash else "."
    return uri


def _read(uri: str) -> str:
    from millstream.artifacts.repository import open_repository

    try:
        with open_repository(folder_of(uri)).open(MLMODEL) as file:
            content = file.read(safe_yaml.MAX_BYTES + 1)
    except (ArtifactNotFound, FileNotFoundError):
        raise NotFound(
            f"There is no model at {uri!r}: it has no file {MLMODEL}. Give the folder of a model, or its URI."
        ) from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise safe_yaml.HostileYaml(f"The MLmodel of {uri!r}", error) from None


def _time_text(value: Any) -> str:
    """`YYYY-MM-DD HH:MM:SS.ffffff`, UTC. Old files hold a time of YAML's own, some without microseconds: text stays as it is."""
    if isinstance(value, datetime):
        utc = value.astimezone(UTC) if value.tzinfo is not None else value
        return utc.strftime("%Y-%m-%d %H:%M:%S.%f")
    return str(value)


class ModelInfo(Struct, kw_only=True):
    """What `log_model` gives back: the model that was logged and where it is.

    `metrics`, `params`, `tags`, `creation_timestamp` (milliseconds) and `name` are those of the logged model.
    """

    artifact_path: str | None
    flavors: dict[str, dict[str, Any]]
    model_uri: str
    model_uuid: str | None
    run_id: str | None
    saved_input_example_info: dict[str, Any] | None
    signature: ModelSignature | None
    utc_time_created: str
    mlflow_version: str | None
    metadata: dict[str, Any] | None = None
    registered_model_version: int | None = None
    env_vars: list[str] | None = None
    prompts: list[str] | None = None
    model_id: str | None = None
    metrics: list[Any] | None = None
    params: dict[str, str] | None = None
    tags: dict[str, str] | None = None
    creation_timestamp: int | None = None
    name: str | None = None

    @classmethod
    def of(cls, model: Model, model_uri: str, **more: Any) -> ModelInfo:
        """From the MLmodel, its URI, and what the logged model or the registry adds."""
        keys = {key: getattr(model, key) for key in cls.__struct_fields__ if key in _FIELDS}
        return cls(**{**keys, "model_uri": model_uri, **more})


def get_model_info(model_uri: str) -> ModelInfo:
    """What the MLmodel of any model says. Runs no code."""
    return ModelInfo.of(Model.load(model_uri), model_uri)
