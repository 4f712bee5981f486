"""What Millstream records, as msgspec Structs: at once what a user holds and what goes over the wire.

Lists of the wire (`data.metrics`, `tags`) are kept under names of their own (`metric_list`, `tag_list`); the names that
users know (`run.data.metrics`) are properties that give dicts. The JSON form is decided by the field's `name=`.
What is odd about the wire otherwise (numbers as text, NaN, enum numbers) lives in `millstream.api.wire` alone.

Times are `int` milliseconds since the epoch, UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Generic, TypeVar

from msgspec import Meta, Struct, field
from msgspec.structs import force_setattr

from millstream.errors import InvalidValue

T = TypeVar("T")

Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""A number that must fit 64 bits, signed."""

Double = float
"""A number that may be NaN: it then travels as the text "NaN" (see `api.wire`). Infinities are stored as ±`MAX_DOUBLE`."""

MAX_DOUBLE = 1.7976931348623157e308

RUN_NAME_TAG = "mlflow.runName"
USER_TAG = "mlflow.user"
SOURCE_NAME_TAG = "mlflow.source.name"
SOURCE_TYPE_TAG = "mlflow.source.type"
GIT_COMMIT_TAG = "mlflow.source.git.commit"
GIT_BRANCH_TAG = "mlflow.source.git.branch"
GIT_REPO_URL_TAG = "mlflow.source.git.repoURL"
PARENT_RUN_TAG = "mlflow.parentRunId"
NOTE_TAG = "mlflow.note.content"
DATASET_CONTEXT_TAG = "mlflow.data.context"
LOGGED_MODEL_HISTORY_TAG = "mlflow.log-model.history"
LOGGED_ARTIFACTS_TAG = "mlflow.loggedArtifacts"
LOGGED_IMAGES_TAG = "mlflow.loggedImages"
MODEL_VERSIONS_TAG = "mlflow.modelVersions"
PROMPT_TAG = "mlflow.prompt.is_prompt"
PROMPT_TEXT_TAG = "mlflow.prompt.text"


class _Numbered(StrEnum):
    """An enum whose members are their wire names and may also be named by their number (counted from 1)."""

    @classmethod
    def _missing_(cls, value: object) -> _Numbered | None:
        members = list(cls)
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= len(members):
            return members[value - 1]
        if isinstance(value, str) and value.isdigit():
            return cls._missing_(int(value))
        return None

    @classmethod
    def from_string(cls, name: str) -> _Numbered:
        """The member of that name; raises ValueError for any other."""
        return cls(name)

    @classmethod
    def to_string(cls, member: str | int) -> str:
        """The wire name of a member given as member, name or number."""
        return cls(member).value  # type: ignore[arg-type]

    @property
    def number(self) -> int:
        """The member's number on the wire."""
        return list(type(self)).index(self) + 1


class RunStatus(_Numbered):
    RUNNING = "RUNNING"
    SCHEDULED = "SCHEDULED"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"

    @classmethod
    def is_terminated(cls, status: str) -> bool:
        return cls(status) in (cls.FINISHED, cls.FAILED, cls.KILLED)

    @classmethod
    def all_status(cls) -> list[RunStatus]:
        return list(cls)


class ViewType(_Numbered):
    """Which stage of life a search looks at."""

    ACTIVE_ONLY = "ACTIVE_ONLY"
    DELETED_ONLY = "DELETED_ONLY"
    ALL = "ALL"


class LifecycleStage(StrEnum):
    ACTIVE = "active"
    DELETED = "deleted"


class SourceType(StrEnum):
    NOTEBOOK = "NOTEBOOK"
    JOB = "JOB"
    PROJECT = "PROJECT"
    LOCAL = "LOCAL"
    UNKNOWN = "UNKNOWN"


class LoggedModelStatus(StrEnum):
    """Members are wire names; they print as, and equal, the short names that users know: `model.status == "READY"`."""

    UNSPECIFIED = "LOGGED_MODEL_STATUS_UNSPECIFIED"
    PENDING = "LOGGED_MODEL_PENDING"
    READY = "LOGGED_MODEL_READY"
    FAILED = "LOGGED_MODEL_UPLOAD_FAILED"

    @classmethod
    def _missing_(cls, value: object) -> LoggedModelStatus | None:
        if isinstance(value, str):
            if value.isdigit():
                return cls._missing_(int(value))
            short = {"UNSPECIFIED": cls.UNSPECIFIED, "PENDING": cls.PENDING, "READY": cls.READY}
            return {**short, "FAILED": cls.FAILED, "UPLOAD_FAILED": cls.FAILED}.get(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 3:
            return list(cls)[value]
        return None

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other) is True or other == self.name

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__

    def __str__(self) -> str:
        return self.name

    @property
    def number(self) -> int:
        return list(type(self)).index(self)


class PagedList(list[T], Generic[T]):
    """One page of a search: a list whose `token` asks for the next page (None on the last)."""

    def __init__(self, items: Iterable[T] = (), token: str | None = None, total: int | None = None) -> None:
        super().__init__(items)
        self.token = token
        self.total = total


class _Entity(Struct, omit_defaults=True):
    """Common to all entities: iteration over (field, value), as MLflow's entities offer it."""

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter([(name, getattr(self, name)) for name in self.__struct_fields__])

    def to_dictionary(self) -> dict[str, Any]:
        return dict(self)


# ---------------------------------------------------------------- what is logged


class Metric(_Entity, gc=False):
    """One point of a metric's history. Holds no container, so the garbage collector need not walk millions of them."""

    key: str
    value: Double
    timestamp: Int64
    step: Int64 = field(default_factory=int)  # a factory, so that 0 is written too
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None
    run_id: str | None = None


class Param(_Entity, gc=False):
    key: str
    value: str = field(default_factory=str)


class RunTag(_Entity, gc=False):
    key: str
    value: str = field(default_factory=str)


class ExperimentTag(_Entity):
    key: str
    value: str = field(default_factory=str)


class InputTag(_Entity):
    """A tag on the link between a run and a dataset, above all `mlflow.data.context`."""

    key: str
    value: str = field(default_factory=str)


def _as_dict(pairs: Iterable[Any]) -> dict[str, Any]:
    return {pair.key: pair.value for pair in pairs}


# ---------------------------------------------------------------- experiments


class Experiment(_Entity):
    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str = field(default_factory=lambda: LifecycleStage.ACTIVE.value)
    creation_time: Int64 | None = None
    last_update_time: Int64 | None = None
    tag_list: list[ExperimentTag] = field(default_factory=list, name="tags")
    workspace: str = field(default_factory=lambda: "default")

    @property
    def tags(self) -> dict[str, str]:
        return _as_dict(self.tag_list)


class ExperimentActivity(_Entity):
    """An experiment in the overview of all."""

    experiment: Experiment
    run_count: Int64 = field(default_factory=int)  # active runs
    last_start_time: Int64 | None = None  # of those


# ---------------------------------------------------------------- datasets, inputs, outputs


class Dataset(_Entity):
    """A dataset as recorded: `source`, `schema` and `profile` hold JSON text."""

    name: str
    digest: str
    source_type: str = field(default_factory=str)
    source: str = field(default_factory=str)
    schema: str | None = None
    profile: str | None = None


class DatasetInput(_Entity):
    dataset: Dataset
    tags: list[InputTag] = field(default_factory=list)


class LoggedModelInput(_Entity):
    model_id: str


class LoggedModelOutput(_Entity):
    model_id: str
    step: Int64 = field(default_factory=int)


class RunInputs(_Entity):
    dataset_inputs: list[DatasetInput] = field(default_factory=list)
    model_inputs: list[LoggedModelInput] = field(default_factory=list)


class RunOutputs(_Entity):
    model_outputs: list[LoggedModelOutput] = field(default_factory=list)


# ---------------------------------------------------------------- runs


class RunInfo(_Entity):
    run_id: str
    run_uuid: str = ""
    run_name: str = field(default_factory=str)
    experiment_id: str = field(default_factory=str)
    user_id: str = field(default_factory=str)
    status: RunStatus = field(default_factory=lambda: RunStatus.RUNNING)
    start_time: Int64 | None = None
    end_time: Int64 | None = None
    artifact_uri: str | None = None
    lifecycle_stage: str = field(default_factory=lambda: LifecycleStage.ACTIVE.value)

    def __post_init__(self) -> None:
        if not self.run_uuid:
            self.run_uuid = self.run_id


class RunData(_Entity):
    """What a run logged: the latest point of each metric, all params, all tags."""

    metric_list: list[Metric] = field(default_factory=list, name="metrics")
    param_list: list[Param] = field(default_factory=list, name="params")
    tag_list: list[RunTag] = field(default_factory=list, name="tags")

    @property
    def metrics(self) -> dict[str, float]:
        return _as_dict(self.metric_list)

    @property
    def params(self) -> dict[str, str]:
        return _as_dict(self.param_list)

    @property
    def tags(self) -> dict[str, str]:
        return _as_dict(self.tag_list)


class Run(_Entity):
    info: RunInfo
    data: RunData = field(default_factory=RunData)
    inputs: RunInputs | None = None
    outputs: RunOutputs | None = None


# ---------------------------------------------------------------- artifacts


class FileInfo(_Entity):
    """An artifact in a listing; `file_size` in bytes, None for a directory."""

    path: str
    is_dir: bool = field(default_factory=bool)
    file_size: Int64 | None = None


# ---------------------------------------------------------------- logged models


class LoggedModelTag(_Entity):
    key: str
    value: str = field(default_factory=str)


class LoggedModelParameter(_Entity):
    key: str
    value: str = field(default_factory=str)


class ModelVersionReference(_Entity):
    name: str
    version: str


class LoggedModelInfo(_Entity):
    model_id: str
    experiment_id: str = field(default_factory=str)
    name: str = field(default_factory=str)
    creation_timestamp_ms: Int64 = field(default_factory=int)
    last_updated_timestamp_ms: Int64 = field(default_factory=int)
    artifact_uri: str = field(default_factory=str)
    status: LoggedModelStatus = field(default_factory=lambda: LoggedModelStatus.PENDING)
    model_type: str = field(default_factory=str)
    source_run_id: str = field(default_factory=str)
    status_message: str | None = None
    creator_id: str | None = None
    tags: list[LoggedModelTag] = field(default_factory=list)
    registrations: list[ModelVersionReference] = field(default_factory=list)


class LoggedModelData(_Entity):
    params: list[LoggedModelParameter] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)


class LoggedModel(_Entity):
    """A model that a run made, before and apart from its registration."""

    info: LoggedModelInfo
    data: LoggedModelData = field(default_factory=LoggedModelData)

    @property
    def model_id(self) -> str:
        return self.info.model_id

    @property
    def experiment_id(self) -> str:
        return self.info.experiment_id

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def artifact_location(self) -> str:
        return self.info.artifact_uri

    @property
    def creation_timestamp(self) -> int:
        return self.info.creation_timestamp_ms

    @property
    def last_updated_timestamp(self) -> int:
        return self.info.last_updated_timestamp_ms

    @property
    def model_type(self) -> str | None:
        return self.info.model_type or None

    @property
    def source_run_id(self) -> str | None:
        return self.info.source_run_id or None

    @property
    def status(self) -> LoggedModelStatus:
        return self.info.status

    @property
    def model_uri(self) -> str:
        return f"models:/{self.info.model_id}"

    @property
    def tags(self) -> dict[str, str]:
        return _as_dict(self.info.tags)

    @property
    def params(self) -> dict[str, str]:
        return _as_dict(self.data.params)

    @property
    def metrics(self) -> list[Metric]:
        return self.data.metrics


# ---------------------------------------------------------------- registry


class ModelVersionStatus(_Numbered):
    PENDING_REGISTRATION = "PENDING_REGISTRATION"
    FAILED_REGISTRATION = "FAILED_REGISTRATION"
    READY = "READY"

    @classmethod
    def is_ready(cls, status: str) -> bool:
        return cls(status) is cls.READY


class ModelVersionStages(StrEnum):
    """Stages of a version's life. MLflow has deprecated them in favour of aliases and tags; they work."""

    NONE = "None"
    STAGING = "Staging"
    PRODUCTION = "Production"
    ARCHIVED = "Archived"


class RegisteredModelTag(_Entity):
    key: str
    value: str = field(default_factory=str)


class ModelVersionTag(_Entity):
    key: str
    value: str = field(default_factory=str)


class RegisteredModelAlias(_Entity):
    alias: str
    version: str


class ModelVersion(_Entity):
    """One version of a registered model. `source` is what was registered, as the client named it.

    `aliases` is filled by all calls but searches; a registered model's `aliases` are always there.
    """

    name: str
    version: str
    creation_timestamp: Int64 | None = None
    last_updated_timestamp: Int64 | None = None
    current_stage: str = field(default_factory=lambda: ModelVersionStages.NONE.value)
    description: str | None = None
    user_id: str | None = None
    source: str = field(default_factory=str)
    run_id: str = field(default_factory=str)
    status: ModelVersionStatus = field(default_factory=lambda: ModelVersionStatus.READY)
    status_message: str | None = None
    run_link: str = field(default_factory=str)
    tag_list: list[ModelVersionTag] = field(default_factory=list, name="tags")
    aliases: list[str] = field(default_factory=list)
    model_id: str | None = None

    @property
    def tags(self) -> dict[str, str]:
        return _as_dict(self.tag_list)


class RegisteredModel(_Entity):
    """A name under which versions are counted. `latest_versions` holds the newest of each stage that has any."""

    name: str
    creation_timestamp: Int64 | None = None
    last_updated_timestamp: Int64 | None = None
    description: str | None = None
    latest_versions: list[ModelVersion] = field(default_factory=list)
    tag_list: list[RegisteredModelTag] = field(default_factory=list, name="tags")
    alias_list: list[RegisteredModelAlias] = field(default_factory=list, name="aliases")

    @property
    def tags(self) -> dict[str, str]:
        return _as_dict(self.tag_list)

    @property
    def aliases(self) -> dict[str, str]:
        """Version by alias."""
        return {each.alias: each.version for each in self.alias_list}


class RegistryAction(_Numbered):
    """What can happen in the registry. Members are stored by number: add new ones at the end."""

    MODEL_CREATED = "MODEL_CREATED"
    MODEL_RENAMED = "MODEL_RENAMED"
    MODEL_DESCRIBED = "MODEL_DESCRIBED"
    MODEL_DELETED = "MODEL_DELETED"
    MODEL_TAG_SET = "MODEL_TAG_SET"
    MODEL_TAG_DELETED = "MODEL_TAG_DELETED"
    VERSION_CREATED = "VERSION_CREATED"
    VERSION_DESCRIBED = "VERSION_DESCRIBED"
    VERSION_DELETED = "VERSION_DELETED"
    VERSION_TAG_SET = "VERSION_TAG_SET"
    VERSION_TAG_DELETED = "VERSION_TAG_DELETED"
    STAGE_CHANGED = "STAGE_CHANGED"
    ALIAS_SET = "ALIAS_SET"
    ALIAS_DELETED = "ALIAS_DELETED"


class RegistryChange(_Entity):
    """One entry of a registered model's history: who changed what, when, from what to what, and why.

    `from_value` and `to_value` are None where there was, or is, nothing. For an alias they are versions; a version that was
    created goes from None to its source, one that was deleted the other way.
    """

    change_id: Int64
    timestamp: Int64
    name: str
    action: RegistryAction
    version: str | None = None
    key: str | None = None  # of the tag, or the alias
    from_value: str | None = None
    to_value: str | None = None
    user_id: str = field(default_factory=str)  # "" if nobody said
    comment: str | None = None


# ---------------------------------------------------------------- webhooks


class _ShortNamed(_Numbered):
    """Members are wire names; they print as, and equal, the names in lower case that users know."""

    @classmethod
    def _missing_(cls, value: object) -> _Numbered | None:
        if isinstance(value, str) and value.upper() in cls.__members__:
            return cls[value.upper()]
        return super()._missing_(value)

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other) is True or other == self.name.lower()

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__

    def __str__(self) -> str:
        return self.name.lower()


class WebhookEntity(_ShortNamed):
    """What an event is about."""

    REGISTERED_MODEL = "REGISTERED_MODEL"
    MODEL_VERSION = "MODEL_VERSION"
    MODEL_VERSION_TAG = "MODEL_VERSION_TAG"
    MODEL_VERSION_ALIAS = "MODEL_VERSION_ALIAS"
    PROMPT = "PROMPT"
    PROMPT_VERSION = "PROMPT_VERSION"
    PROMPT_TAG = "PROMPT_TAG"
    PROMPT_VERSION_TAG = "PROMPT_VERSION_TAG"
    PROMPT_ALIAS = "PROMPT_ALIAS"
    BUDGET_POLICY = "BUDGET_POLICY"


class WebhookAction(_ShortNamed):
    """What happened to it."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    DELETED = "DELETED"
    SET = "SET"
    EXCEEDED = "EXCEEDED"


WEBHOOK_ACTIONS: dict[WebhookEntity, tuple[WebhookAction, ...]] = {
    WebhookEntity.REGISTERED_MODEL: (WebhookAction.CREATED,),
    WebhookEntity.MODEL_VERSION: (WebhookAction.CREATED,),
    WebhookEntity.MODEL_VERSION_TAG: (WebhookAction.SET, WebhookAction.DELETED),
    WebhookEntity.MODEL_VERSION_ALIAS: (WebhookAction.CREATED, WebhookAction.DELETED),
    WebhookEntity.PROMPT: (WebhookAction.CREATED,),
    WebhookEntity.PROMPT_VERSION: (WebhookAction.CREATED,),
    WebhookEntity.PROMPT_TAG: (WebhookAction.SET, WebhookAction.DELETED),
    WebhookEntity.PROMPT_VERSION_TAG: (WebhookAction.SET, WebhookAction.DELETED),
    WebhookEntity.PROMPT_ALIAS: (WebhookAction.CREATED, WebhookAction.DELETED),
    WebhookEntity.BUDGET_POLICY: (WebhookAction.EXCEEDED,),
}
"""The events there are. Nothing here exceeds a budget policy (that is the gateway's), but it may be subscribed to."""


class WebhookEvent(Struct, frozen=True):
    """A kind of event, written `model_version.created`; entity and action are taken in any form.

    Raises InvalidValue for an event that does not exist.
    """

    entity: WebhookEntity
    action: WebhookAction

    def __post_init__(self) -> None:
        entity, action = _known_event(self.entity, self.action)
        force_setattr(self, "entity", entity)
        force_setattr(self, "action", action)

    @classmethod
    def from_str(cls, text: str) -> WebhookEvent:
        entity, _, action = text.partition(".")
        return cls(*_known_event(entity, action))

    def __str__(self) -> str:
        return f"{self.entity}.{self.action}"


def _known_event(entity_name: str, action_name: str) -> tuple[WebhookEntity, WebhookAction]:
    try:
        entity, action = WebhookEntity(entity_name), WebhookAction(action_name)
    except ValueError as error:
        there = ", ".join(f"{entity}.{action}" for entity, actions in WEBHOOK_ACTIONS.items() for action in actions)
        raise InvalidValue(f"{error}. A webhook event is one of: {there}.") from None
    if action not in WEBHOOK_ACTIONS[entity]:
        there = ", ".join(str(each) for each in WEBHOOK_ACTIONS[entity])
        raise InvalidValue(f"There is no webhook event {entity}.{action}. Actions of {entity}: {there}.")
    return entity, action


class WebhookStatus(_Numbered):
    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"

    def __str__(self) -> str:
        return self.value

    def is_active(self) -> bool:
        return self is WebhookStatus.ACTIVE


class Webhook(_Entity):
    """An address that is told of events. Its secret can be set and is never given back: `secret` is always None."""

    webhook_id: str
    name: str
    url: str
    events: list[WebhookEvent] = field(default_factory=list)
    creation_timestamp: Int64 = field(default_factory=int)
    last_updated_timestamp: Int64 = field(default_factory=int)
    description: str | None = None
    status: WebhookStatus = field(default_factory=lambda: WebhookStatus.ACTIVE)

    @property
    def secret(self) -> None:
        return None


class WebhookTestResult(_Entity):
    """How a trial delivery went: the receiver's HTTP status, or why there is none."""

    success: bool = field(default_factory=bool)
    response_status: Int64 | None = None
    response_body: str | None = None  # of other servers: ours keeps to itself what receivers say
    error_message: str | None = None


class WebhookDeliveryStatus(_Numbered):
    """Members are stored by number: add new ones at the end."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


class WebhookDelivery(_Entity):
    """One event on its way to one webhook."""

    delivery_id: str
    webhook_id: str
    event: WebhookEvent
    status: WebhookDeliveryStatus
    attempts: Int64 = field(default_factory=int)
    creation_timestamp: Int64 = field(default_factory=int)
    next_attempt_timestamp: Int64 | None = None  # of a pending one
    last_attempt_timestamp: Int64 | None = None
    response_status: Int64 | None = None  # of the last attempt
    error_message: str | None = None  # of the last attempt


# ---------------------------------------------------------------- charts


MAX_CHART_WIDTH = 10_000

_CHART_AXES = {"step": "step", "time": "time", "timestamp": "time"}


class SeriesView(Struct, frozen=True):
    """What a chart shows.

    Attributes:
        width: in pixels, 1 to MAX_CHART_WIDTH.
        axis: "step" or "timestamp" (also "time").
        start, end: bounds on the axis, both included; None means from or to the end of each series.
        origins: of some runs, by public id: where on the axis `start` and `end` are counted from, elsewhere 0.
    """

    width: int
    axis: str = "step"
    start: int | None = None
    end: int | None = None
    origins: Mapping[str, int] = {}

    @property
    def kind(self) -> str:
        """`step` or `time`. Raises InvalidValue if the view makes no sense."""
        kind = _CHART_AXES.get(self.axis)
        if kind is None:
            raise InvalidValue(f"axis={self.axis!r} is not known. Use 'step' or 'timestamp'.")
        if not 1 <= self.width <= MAX_CHART_WIDTH:
            raise InvalidValue(
                f"width={self.width} is out of range. Give the chart's width in pixels, 1 to {MAX_CHART_WIDTH}."
            )
        if self.start is not None and self.end is not None and self.start > self.end:
            raise InvalidValue(f"start={self.start} is greater than end={self.end}.")
        return kind

    def bounds(self, run_id: str) -> tuple[int | None, int | None]:
        """`start` and `end` on the axis of this run."""
        origin = self.origins.get(run_id, 0)
        low, high = (None if bound is None else _int64(bound + origin) for bound in (self.start, self.end))
        return low, high


def _int64(value: int) -> int:
    """The nearest that a place on an axis can be."""
    return min(max(value, -(2**63)), 2**63 - 1)


class SeriesWindow(_Entity):
    """One metric of one run between two steps, at the resolution of a chart.

    The points are a subset of the history in order of step that draws the same line: first, least, greatest and last
    point of every stretch that falls on one pixel. `steps`, `timestamps`, `values` have equal length. NaN points are not
    among them; `nan_steps` holds up to `width` of their steps, `nan_count` says how many there are in the window.
    """

    run_id: str
    key: str
    count: Int64 = field(default_factory=int)  # points of the history inside the window, NaN included
    steps: list[int] = field(default_factory=list)
    timestamps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    nan_count: Int64 = field(default_factory=int)
    nan_steps: list[int] = field(default_factory=list)
    is_exact: bool = True  # every point of the window is here, nothing was left out


class SeriesLine(_Entity):
    """A `SeriesWindow` as a chart draws it: arrays of little-endian doubles, in JSON as base64."""

    run_id: str
    key: str
    count: Int64 = field(default_factory=int)
    places: bytes = b""  # on the axis, ascending
    values: bytes = b""
    nan_places: list[int] = field(default_factory=list)  # on the axis too
    is_exact: bool = True


class SeriesSummary(_Entity):
    """What is known of a metric without reading its history; NaN points count but are neither min nor max."""

    key: str
    count: Int64
    first: Metric
    last: Metric
    min: Metric | None = None
    max: Metric | None = None
