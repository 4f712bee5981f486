"""The one way in which a training call of any library is recorded.

A library's file patches its training functions with `recording.around(observe)`, where `observe` is a generator function:

    def fit(training):                     # a `Training`: the call and the run that it is recorded in
        training.log_params(...)           # before the library's own function is called
        result = yield                     # here it runs, exactly once, whatever happens on either side
        training.log_metrics(...)          # after it returned; not reached if it raised

Whatever fails in an observer is logged, marked on the run, and never seen by the user; `with training.attempt("the params")`
keeps the rest of it going. What the library's own function raises passes through untouched.
"""

from __future__ import annotations

import functools
import inspect
import io
import logging
import numbers
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millstream.autologging import sessions
from millstream.autologging.libraries import Library, Settings
from millstream.autologging.patching import Around
from millstream.autologging.quiet import quietly
from millstream.client import checks
from millstream.entities import DATASET_CONTEXT_TAG, DatasetInput, InputTag, LoggedModelStatus, RunStatus
from millstream.errors import MillstreamError, ParamChanged
from millstream.tracking import active, runs

if TYPE_CHECKING:
    from millstream.client.recorder import Append
    from millstream.tracking.active import OpenRun

logger = logging.getLogger("millstream.autologging")

AUTOLOGGING_TAG = "mlflow.autologging"
"""Of runs that recording started: the library's name."""

ERROR_TAG = "millstream.autologging.error"
"""Of runs that recording started: what could not be recorded of a training that went well."""

MODEL_NAME = "model"

Steps = Generator[None, Any, None]
Observer = Callable[["Training"], Steps]


class Recording:
    """A library that is switched on."""

    def __init__(self, library: Library, settings: Settings) -> None:
        self.library = library
        self.settings = settings
        self._said: set[tuple[str, type]] = set()

    def around(self, observe: Observer, is_recorded: Callable[[tuple[Any, ...]], bool] | None = None) -> Around:
        """What is called instead of a training function.

        Args:
            is_recorded: whether a call with these arguments is to be recorded; all are if not given. Must not raise.
        """

        def call(original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if sessions.current() is not None or (self.settings.exclusive and active.here.stack):
                return original(*args, **kwargs)
            if is_recorded is not None and not is_recorded(args):
                return original(*args, **kwargs)
            return Training(self, original, args, kwargs).run(observe)

        return call

    def say(self, what: str, error: BaseException) -> None:
        """Log that something could not be recorded: once for each kind of error, as loops train thousands of models."""
        known = (what, type(error))
        if known in self._said or self.settings.silent:
            logger.debug("Autologging of %s left out %s.", self.library.flavor, what, exc_info=error)
            return
        self._said.add(known)
        logger.warning(
            "Autologging of %s left out %s: %s: %s. The training itself is not affected.",
            self.library.flavor,
            what,
            type(error).__name__,
            error,
        )

    def remark(self, text: str, *values: object) -> None:
        if not self.settings.silent:
            logger.warning(text, *values)


class Training:
    """One call that is recorded, and the run that it is recorded in.

    Until the run is asked for, `tags` wait; they then go with its creation.
    """

    def __init__(
        self, recording: Recording, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.recording = recording
        self.settings = recording.settings
        self.original = original
        self.args = args
        self.kwargs = dict(kwargs)
        self.model_id: str | None = None
        """The logged model that this training makes, if it makes one; metrics belong to it."""
        self._files: dict[str, bytes] = {}
        self.inputs: list[DatasetInput] = []
        """The datasets that were recorded."""
        self._whole: Training | None = None
        """What this is a part of; the run is that one's."""
        self._opened: OpenRun | None = None
        self._is_ours = False
        self._no_run: Exception | None = None
        self._errors: list[str] = []

    # ------------------------------------------------------------ the call

    @property
    def instance(self) -> Any:
        """What a patched method was called on."""
        return self.args[0]

    def arguments(self) -> dict[str, Any]:
        """The arguments that were given, by name; {} if they do not fit the function, which then says so itself."""
        try:
            return dict(signature_of(self.original).bind(*self.args, **self.kwargs).arguments)
        except (TypeError, ValueError):
            return {}

    def set_argument(self, name: str, value: Any) -> None:
        """Let the original be called with another value, wherever the user's stands."""
        at = list(signature_of(self.original).parameters).index(name)
        if name not in self.kwargs and at < len(self.args):
            self.args = (*self.args[:at], value, *self.args[at + 1 :])
        else:
            self.kwargs[name] = value

    def run(self, observe: Observer) -> Any:
        """Call the original, observed, in a session and in a run. Returns and raises what it does."""
        entered = sessions.enter(self)
        status = RunStatus.FAILED
        try:
            result = self._observed(observe)
            status = RunStatus.FINISHED
            return result
        finally:
            self._end(status)
            sessions.leave(entered)

    def within(
        self, observe: Observer, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Call another function that this training consists of, observed, and record it in the same run and model."""
        part = Training(self.recording, original, args, kwargs)
        part._whole, part._errors, part.model_id = self, self._errors, self.model_id
        return part._observed(observe)

    def _observed(self, observe: Observer) -> Any:
        steps = self._begin(observe)
        try:
            result = self.original(*self.args, **self.kwargs)
        except BaseException:
            if steps is not None:
                with self.attempt("the end of the training"):
                    steps.close()
            raise
        if steps is not None:
            with self.attempt("what comes after the training"), quietly():
                try:
                    steps.send(result)
                except StopIteration:
                    pass
            with self.attempt("the files of the run"):
                self._store_files()
        return result

    def _begin(self, observe: Observer) -> Steps | None:
        args, kwargs = self.args, dict(self.kwargs)
        try:
            with quietly():
                steps = observe(self)
                next(steps)
                with self.attempt("the files of the run"):
                    self._store_files()
                return steps
        except Exception as error:
            self.args, self.kwargs = args, kwargs  # as the user gave them
            self.note("what comes before the training", error)
            return None

    def _end(self, status: RunStatus) -> None:
        """Close what recording opened."""
        opened = self._opened
        if opened is None:
            return
        if status is not RunStatus.FINISHED and self.model_id is not None:
            with self.attempt("the state of the model"):
                opened.client.finalize_logged_model(self.model_id, LoggedModelStatus.FAILED)
        if not self._is_ours or opened not in active.here.stack:
            return
        if self._errors:
            with self.attempt("the tag that names errors"):
                opened.recorder.set_tags(opened.run_id, {ERROR_TAG: "; ".join(self._errors)})
        with self.attempt("the end of the run"):
            runs.end_until(opened.run_id, status, wait=False)

    # ------------------------------------------------------------ failures of ours

    @contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """Let what fails in this block be left out, and said; `what` completes "left out ..."."""
        try:
            yield
        except Exception as error:
            self.note(what, error)

    def note(self, what: str, error: Exception) -> None:
        self._errors.append(f"{what}: {type(error).__name__}: {_first_line(error)}")
        self.recording.say(what, error)

    # ------------------------------------------------------------ what is recorded

    def start(self, tags: Mapping[str, str] | None = None) -> OpenRun:
        """The run to record in: the active one, which gets the tags, or a new one that has them from its beginning."""
        if self._whole is not None:
            self._opened = self._whole.start(tags)
            self._is_ours = self._whole._is_ours
        if self._opened is not None:
            return self._opened
        if self._no_run is not None:
            raise self._no_run  # a store that does not answer is asked once
        top = active.here.top()
        if top is None:
            own = {AUTOLOGGING_TAG: self.recording.library.flavor, **(tags or {}), **(self.settings.extra_tags or {})}
            try:
                runs.start_run(tags=own)
            except Exception as error:
                self._no_run = error
                raise
            self._is_ours = True
            top = runs.current()
        self._opened = top
        if tags and not self._is_ours:
            top.recorder.set_tags(top.run_id, tags)
        return top

    @property
    def opened(self) -> OpenRun:
        return self.start()

    @property
    def run_id(self) -> str:
        return self.opened.run_id

    def set_tags(self, tags: Mapping[str, str]) -> None:
        self.opened.recorder.set_tags(self.run_id, tags)

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log params as text. A value that cannot be written, and one that the run has differently already, is left out."""
        opened = self.opened
        wanted = self.texts(params)
        for key, value in ({} if self._is_ours else opened.run.data.params).items():
            if wanted.get(key, value) != value:
                self.note(f"the param {key!r}", ParamChanged(opened.run_id, key, value, wanted.pop(key)))
        try:
            opened.recorder.log_params(opened.run_id, wanted)
        except MillstreamError:
            for key, value in wanted.items():
                with self.attempt(f"the param {key!r}"):
                    opened.recorder.log_params(opened.run_id, {key: value})

    def texts(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Params as text, cut to what a store takes; a value that has no text is left out."""
        found: dict[str, str] = {}
        for key, value in values.items():
            try:
                found[str(key)[: checks.MAX_KEY]] = str(value)[: checks.MAX_PARAM_VALUE]
            except Exception as error:
                self.note(f"the param {key!r}", error)
        return found

    def series(self, key: str, dataset: tuple[str, str] | None = None) -> Append:
        """The function that logs points of one metric, at about a microsecond each."""
        name, digest = dataset or (None, None)
        return self.opened.recorder.series(self.run_id, key, self.model_id, name, digest)

    def log_metrics(self, metrics: Mapping[str, Any], step: int = 0, dataset: tuple[str, str] | None = None) -> None:
        """Log what of these is a number; one that cannot be logged does not keep the others back."""
        for key, value in metrics.items():
            if is_number(value):
                with self.attempt(f"the metric {key!r}"):
                    self.series(key, dataset)(float(value), step)

    def log_text(self, text: str, file: str) -> None:
        self.log_bytes(text.encode("utf-8", "replace"), file)

    def log_dict(self, content: Mapping[str, Any], file: str) -> None:
        import json

        self.log_text(json.dumps(content, indent=2, default=str), file)

    def log_bytes(self, content: bytes, file: str) -> None:
        """Store a file of the run; it is so when the step of the observer ends, together with others."""
        (self._whole or self)._files[file] = content

    def _store_files(self) -> None:
        """Store the files that wait: a disk is asked to keep them once, and a remote store takes several at a time."""
        files, self._files = self._files, {}
        if not files:
            return
        opened = self.opened
        if len(files) == 1:
            ((file, content),) = files.items()
            opened.client.log_stream(opened.run_id, io.BytesIO(content), file)
            return
        with tempfile.TemporaryDirectory(prefix="millstream-files-") as folder:
            for file, content in files.items():
                path = Path(folder, file)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            opened.client.log_artifacts(opened.run_id, folder)

    def log_dataset(
        self, data: Any, context: str, targets: Any = None, name: str | None = None
    ) -> tuple[str, str] | None:
        """Record data as an input of the run.

        Args:
            data: a frame, array, sparse matrix, or a dataset of `millstream.data`.
            context: "train" or "eval".
        Returns:
            Name and digest; None for data of a kind that has no dataset.
        """
        from millstream.autologging.datasets import dataset_of
        from millstream.data.dataset import entity_of

        dataset = dataset_of(data, targets, name)
        if dataset is None:
            return None
        entity = entity_of(dataset)
        link = DatasetInput(entity, [InputTag(DATASET_CONTEXT_TAG, context)])
        self.opened.recorder.log_inputs(self.run_id, [link])
        self.inputs.append(link)
        return entity.name, entity.digest

    # ------------------------------------------------------------ the model

    def start_model(self, name: str = MODEL_NAME) -> None:
        """Announce the model that the training makes, so that its metrics belong to it from the first step on."""
        if self.settings.log_models:
            with self.attempt("the announcement of the model"):
                self.model_id = self.announce(name)

    def announce(self, name: str) -> str:
        """Create a logged model that is PENDING until `log_model` gives it its files; returns its id."""
        from millstream.tracking.context import resolve_tags

        opened = self.opened
        model = opened.client.create_logged_model(
            opened.run.info.experiment_id, name=name, source_run_id=opened.run_id, tags=resolve_tags(None)
        )
        return model.model_id

    def log_model(
        self,
        model: Any,
        example: Any = None,
        predict: Callable[[Any], Any] | None = None,
        *,
        name: str = MODEL_NAME,
        model_id: str | None = None,
        registered_model_name: str | None = None,
        signature: Any = None,
        params: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """Store the model with a signature and an example, as far as settings ask for them.

        Args:
            example: the first rows of the inputs; without them there is neither signature nor example.
            predict: what the model makes of such rows, for the signature's outputs.
            model_id: of a model that was announced; the one of `start_model` if not given.
            signature: instead of one inferred from the example.
            params: of the model, besides those of the run.
            options: for the flavor's `log_model`.
        """
        from millstream.models.flavors import flavor
        from millstream.models.logging import log

        announced = model_id or self.model_id
        if announced is None:
            return
        try:
            if signature is None and self.settings.log_model_signatures and example is not None:
                with self.attempt("the model's signature"):
                    signature = _signature(example, predict)
            log(
                flavor(self.recording.library.flavor),
                model,
                name=name,
                signature=signature if signature is not None else False,
                input_example=example if self.settings.log_input_examples else None,
                registered_model_name=registered_model_name,
                params=params,
                model_id=announced,
                link_metrics=False,
                options=options,
            )
        except Exception as error:
            self.note("the model", error)
            with self.attempt("the state of the model"):
                self.opened.client.finalize_logged_model(announced, LoggedModelStatus.FAILED)


def _signature(example: Any, predict: Callable[[Any], Any] | None) -> Any:
    from millstream.models.signature import infer_signature

    return infer_signature(example, None if predict is None else predict(example))


@functools.lru_cache(maxsize=1024)
def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)


def is_number(value: Any) -> bool:
    """Whether a value can be a metric; booleans are none."""
    return type(value) is not bool and isinstance(value, numbers.Real)


def _first_line(error: Exception) -> str:
    try:
        return str(error).strip().partition("\n")[0][:500]
    except Exception:  # an error whose text cannot be made
        return ""


def first_rows(data: Any, count: int = 5) -> Any:
    """A copy of the first rows of a frame, array, sparse matrix or list; None for anything else."""
    if hasattr(data, "iloc"):
        return data.iloc[:count].copy()
    if hasattr(data, "toarray"):
        return data[:count].toarray()
    if hasattr(data, "head") and hasattr(data, "columns"):  # polars
        return data.head(count)
    if hasattr(data, "shape") and getattr(data, "ndim", 0) >= 1:
        return data[:count].copy()
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        import numpy as np

        return np.array(data[:count])
    return None
