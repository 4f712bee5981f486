"""The worked examples of the documented grammar, by their numbers, on every database.

Where Millstream extends the grammar, an example that MLflow rejects has an answer here; such rows say `extension`. Rows that
say `repaired` are behaviour that the reference documents as a defect, together with what to do instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from millstream.api.logged_models import DatasetFilter, ModelOrder
from millstream.entities import (
    Dataset,
    DatasetInput,
    ExperimentTag,
    InputTag,
    LoggedModelParameter,
    LoggedModelStatus,
    LoggedModelTag,
    Metric,
    Param,
    RunStatus,
    RunTag,
    ViewType,
)
from millstream.errors import InvalidValue
from millstream.store import search
from millstream.store.database import Database, insert_into
from millstream.store.tables import (
    experiments,
    logged_models,
    model_version_tags,
    model_versions,
    registered_model_tags,
    registered_models,
)
from millstream.store.tracking import SqlTrackingStore

INFINITY, NAN = float("inf"), float("nan")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "world" in metafunc.fixturenames:
        kinds = ["sqlite", "postgresql"] + (["mariadb"] if metafunc.config.getoption("--mariadb") else [])
        metafunc.parametrize("database_kind", kinds, scope="module")


@pytest.fixture(scope="module")
def world(
    database_kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """The data sets of the examples, written once for each database."""
    if database_kind == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('examples')}/store.db"
    else:
        url = request.getfixturevalue(f"{database_kind}_database")()
    database = Database(url)
    yield World(database)
    database.close()


class World:
    """Everything that the examples name, and searches that answer with those names."""

    def __init__(self, db: Database) -> None:
        self.store = SqlTrackingStore(db, "mlflow-artifacts:/")
        self.runs: dict[str, str] = {}
        self.sweep = self.store.create_experiment("sweep", "", [])
        self._add_runs()
        self._add_experiments()
        self._add_registry()
        self._add_models()

    # ------------------------------------------------------------ runs
    def _add_runs(self) -> None:
        iris, test, wine = ("iris", "d1"), ("iris-test", "d2"), ("wine", "w9")
        self._run(
            "A", "alpha", "ann", "FINISHED", 1000, 2000, {"acc": 0.9, "loss": 0.1}, {"lr": "0.1", "opt": "SGD"},
            {"team": "red", "note one": "x"}, [(iris, "train"), (test, "eval")],
        )  # fmt: skip
        self._run(
            "B", "beta", "bob", "RUNNING", 2000, None, {"acc": NAN}, {"lr": "0.01", "opt": "sgd"}, {"team": "Blue"},
            [(iris, "train")],
        )  # fmt: skip
        self._run("C", "Gamma_1", "ann", "FAILED", 3000, 3500, {"acc": INFINITY}, {"lr": "1e-3"}, {}, [(wine, None)])
        self._run(
            "D", "alpha", "bob", "KILLED", 3000, 3100, {"acc": -1.0, "val acc": 0.5}, {"lr": "0.1", "opt": "O'Neil"},
            {"team": "red"}, [],
        )  # fmt: skip
        self._run("E", "eps%ilon", "cid", "RUNNING", 500, None, {}, {}, {"team": ""}, [])
        self._run("F", "zeta", "ann", "FINISHED", 4000, 4001, {"acc": 0.9}, {"lr": "10"}, {"team": "red"}, [])
        self.store.delete_run(self.runs["F"])

    def _run(
        self,
        label: str,
        name: str,
        user: str,
        status: str,
        start: int,
        end: int | None,
        metrics: dict[str, float],
        params: dict[str, str],
        tags: dict[str, str],
        inputs: Sequence[tuple[tuple[str, str], str | None]],
    ) -> None:
        run_id = label.lower() * 32
        self.runs[label] = run_id
        self.store.create_run(self.sweep, user, name, start, [], run_id)
        self.store.log_batch(
            run_id,
            [Metric(key, value, 1000, 0) for key, value in metrics.items()],
            [Param(*item) for item in params.items()],
            [RunTag(*item) for item in tags.items()],
        )
        found = [
            DatasetInput(
                Dataset(name, digest, "local", "here"),
                [InputTag("mlflow.data.context", context)] if context else [],
            )
            for (name, digest), context in inputs
        ]
        self.store.log_inputs(run_id, found, [])
        self.store.update_run(run_id, RunStatus(status), end, None)

    def find_runs(
        self, filter: str = "", order: Sequence[str] = (), view: ViewType = ViewType.ACTIVE_ONLY, size: int = 1000
    ) -> str:
        """Labels of all pages, and a check that the count agrees."""
        for label, run_id in self.runs.items():
            filter = filter.replace(f"<{label}>", run_id)
        found: list[str] = []
        token = ""
        while True:
            page = self.store.search_runs([self.sweep], filter, view, size, order, token, count=True)
            found += [run.info.run_id[0].upper() for run in page]
            token = page.token or ""
            if not token:
                assert page.total == len(found)
                return " ".join(found)

    # ------------------------------------------------------------ experiments
    def _add_experiments(self) -> None:
        tags: dict[str, dict[str, str]] = {
            "Plan": {"team": "a"}, "quest": {"team": "b", "stage": "dev"}, "Rest": {}, "solo": {"team": "a"}
        }  # fmt: skip
        self.experiments = {}
        for number, (name, values) in enumerate(tags.items()):
            key = self.store.create_experiment(name, "", [ExperimentTag(*item) for item in values.items()])
            self.experiments[name[0].upper()] = key
            self._set(experiments, int(key), creation_time=1000 + number)
        self.store.delete_experiment(self.experiments["S"])

    def _set(self, table: Any, key: int, **values: int) -> None:
        self.store.db.write(lambda session: session.sa.execute(table.update().where(table.c.id == key).values(values)))

    def find_experiments(
        self, filter: str = "", order: Sequence[str] = (), view: ViewType = ViewType.ACTIVE_ONLY
    ) -> str:
        for label, key in self.experiments.items():
            filter = filter.replace(f"<{label}>", key)
        names = {key: label for label, key in self.experiments.items()}
        found = self._pages(lambda token: self.store.search_experiments(filter, order, 3, token, view))
        return " ".join(names[each.experiment_id] for each in found if each.experiment_id in names)

    def _pages(self, page: Callable[[str], Any]) -> list[Any]:
        found, token = [], ""
        while True:
            some = page(token)
            found += some
            token = some.token or ""
            if not token:
                return found

    # ------------------------------------------------------------ registry
    def _add_registry(self) -> None:
        self.store.db.write(self._insert_registry)

    def _insert_registry(self, session: Any) -> None:
        self.models, self.versions = {}, {}
        insert_model = insert_into(registered_models)
        insert_version = insert_into(model_versions)
        tags: dict[str, dict[str, str]] = {
            "bee": {"fw": "torch", "own": "z"}, "Cat": {}, "dprompt": {"mlflow.prompt.is_prompt": "true"},
            "Ant": {"fw": "sk"},
        }  # fmt: skip
        # Ant was updated last; Cat before bee
        times = {"bee": 1, "Cat": 2, "dprompt": 3, "Ant": 4}
        for name, values in tags.items():
            key = session.insert(
                insert_model,
                name=name,
                description=None,
                creation_time=0,
                last_update_time=times[name],
                last_version=0,
            )
            self.models[key] = name
            for tag, value in values.items():
                session.run(insert_into(registered_model_tags), model=key, name_id=session.name_id(tag), value=value)
        keys = {name: key for key, name in self.models.items()}
        rows = [
            ("Ant", 1, "1" * 32, "s3://b/1", {"q": "hi"}), ("Ant", 2, "2" * 32, "s3://b/2", {"q": "lo"}),
            ("bee", 1, "1" * 32, "s3://c/1", {}), ("Ant", 3, "", "s3://b/3", {}),
        ]  # fmt: skip
        for number, (name, version, run_id, source, values) in enumerate(rows):
            key = session.insert(
                insert_version, model=keys[name], name=name, version=version, source=source, run_id=run_id,
                creation_time=number, last_update_time=number, stage=0, status=3, status_message=None, description=None,
                location=None, run_link="", user_id="", model_id=None,
            )  # fmt: skip
            self.versions[key] = f"{name}{version}"
            for tag, value in values.items():
                session.run(insert_into(model_version_tags), version=key, name_id=session.name_id(tag), value=value)

    def find_models(self, filter: str = "", order: Sequence[str] = ()) -> str:
        with self.store.db.read() as session:
            return self._walk(
                self.models, lambda token: search.search_registered_models(session, filter, 2, order, token, True)
            )

    def find_versions(self, filter: str = "", order: Sequence[str] = ()) -> str:
        filter = filter.replace("<r1>", "1" * 32)
        with self.store.db.read() as session:
            return self._walk(
                self.versions, lambda token: search.search_model_versions(session, filter, 2, order, token, True)
            )

    def _walk(self, names: dict[int, str], page: Callable[[str], search.Matches]) -> str:
        found: list[int] = []
        token = ""
        while True:
            some = page(token)
            found += some.pks
            token = some.token or ""
            if not token:
                assert some.total == len(found)
                return " ".join(names[key] for key in found)

    # ------------------------------------------------------------ logged models
    def _add_models(self) -> None:
        self.zoo = self.store.create_experiment("zoo", "", [])
        self.logged = {}
        run = self.store.create_run(self.zoo, "", "", 0, []).info.run_id
        rows: list[tuple[str, str, str, dict[str, str], dict[str, str], LoggedModelStatus]] = [
            ("J", "jay", "Agent", {"lr": "0.1"}, {"t": "x"}, LoggedModelStatus.READY),
            ("K", "kit", "Clf", {"lr": "0.2"}, {}, LoggedModelStatus.PENDING),
            ("L", "leo", "Clf", {}, {"t": "y"}, LoggedModelStatus.FAILED),
            ("M", "jay", "Agent", {}, {}, LoggedModelStatus.READY),
        ]
        for number, (label, name, kind, params, tags, status) in enumerate(rows):
            model = self.store.create_logged_model(
                self.zoo, name, kind, "", [LoggedModelParameter(*item) for item in params.items()],
                [LoggedModelTag(*item) for item in tags.items()],
            )  # fmt: skip
            if status is not LoggedModelStatus.PENDING:
                self.store.finalize_logged_model(model.model_id, status)
            self.logged[label] = model.model_id
            self._set_model_time(model.model_id, 1000 + number)
        points = [
            ("J", 0.9, 1, "tr", "d1"), ("J", 0.5, 2, "te", "d2"), ("K", 0.7, 2, "te", "d2"), ("M", NAN, 2, None, None),
        ]  # fmt: skip
        for label, value, time, dataset, digest in points:
            self.store.log_batch(run, [Metric("acc", value, time, 0, self.logged[label], dataset, digest)], [], [])

    def _set_model_time(self, model_id: str, time: int) -> None:
        change = logged_models.update().where(logged_models.c.model_id == model_id).values(creation_time=time)
        self.store.db.write(lambda session: session.sa.execute(change))

    def find_logged(
        self, filter: str = "", order: Sequence[ModelOrder] = (), datasets: Sequence[DatasetFilter] = ()
    ) -> str:
        names = {model_id: label for label, model_id in self.logged.items()}
        found = self._pages(
            lambda token: self.store.search_logged_models([self.zoo], filter, datasets, order, 3, token)
        )
        return " ".join(names[each.model_id] for each in found)


def rejected(find: Callable[[], str]) -> str:
    """The message of the 400; "?" if there was an answer."""
    with pytest.raises(InvalidValue) as caught:
        find()
    assert caught.value.status == 400
    return caught.value.message


# ---------------------------------------------------------------- 7.1 runs

REJECTED = None

FILTERS: list[tuple[int, str, str | None]] = [
    (1, "", "C D B A E"),
    (3, "metrics.acc > 0.5", "C A"),
    (4, "metrics.acc != 0.9", "C D B"),
    (5, "metrics.acc = 0", ""),
    (6, "metrics.acc >= 1e308", "C"),
    (7, "metrics.acc < 1e400", "C D A"),
    (8, "metrics.`val acc` = 0.5", "D"),
    (8, 'metrics."val acc" = 0.5', "D"),
    (9, "metrics.acc > '0.5'", REJECTED),
    (10, "metrics.acc IS NULL", "E"),  # extension
    (11, "params.lr = '0.1'", "D A"),
    (11, "param.lr = '0.1'", "D A"),
    (11, "parameter.lr = '0.1'", "D A"),
    (11, 'params.lr = "0.1"', "D A"),
    (12, "params.lr = 0.1", REJECTED),
    (13, "parameters.lr != '0.1'", "C B"),
    (14, "params.opt = 'sgd'", "B"),
    (15, "params.opt LIKE 'S%'", "A"),
    (15, "params.opt like 'S%'", "A"),
    (16, "params.opt ILIKE 's%'", "B A"),
    (17, "params.lr LIKE '0._1'", "B"),
    (18, """params.opt = "O'Neil\"""", "D"),
    (18, "params.opt = 'O''Neil'", ""),
    (19, "params.opt IS NULL", "C E"),
    (19, "params.opt is not null", "D B A"),
    (20, "params.lr IN ('0.1')", "D A"),  # extension
    (21, "tags.team = 'red'", "D A"),
    (22, "tag.team != 'red'", "B E"),
    (23, "tags.team = ''", "E"),
    (24, "tags.team IS NULL", "C"),
    (25, "tags.`note one` = 'x'", "A"),
    (26, "tags.mlflow.runName = 'alpha'", "D A"),
    (27, "tags.team = 'red' and metrics.acc > 0", "A"),
    (28, "tags.team = 'red' OR tags.team = 'Blue'", "D B A"),  # extension
    (29, "(tags.team = 'red')", "D A"),  # extension
    (30, "status = 'FINISHED'", "A"),
    (30, "attr.status = 'finished'", ""),
    (31, "attribute.status != 'RUNNING'", "C D A"),
    (32, "attributes.status IN ('FINISHED','KILLED')", "D A"),  # extension
    (33, "run_id IN ('<A>','<E>')", "A E"),
    (33, "run_id NOT IN ('<A>','<E>')", "C D B"),
    (34, "run_id IN ()", REJECTED),
    (34, "run_id IN ('x', 5)", REJECTED),
    (35, "run_name LIKE 'Gamma_1'", "C"),
    (35, r"run_name LIKE 'eps\%ilon'", ""),
    (36, "attributes.`Run name` = 'beta'", "B"),
    (37, "user_id = 'ann'", "C A"),
    (37, "attributes.user_id != 'ann'", "D B E"),
    (38, "start_time >= 3000", "C D"),
    (38, "attributes.created = 1000", "A"),
    (39, "end_time < 3200", "D A"),
    (39, "attributes.end_time > 0", "C D A"),
    (40, "start_time = '1000'", REJECTED),
    (41, "dataset.name = 'iris'", "B A"),
    (41, "dataset.name LIKE 'iris%'", "B A"),
    (42, "dataset.name != 'iris'", "C A"),
    (42, "dataset.name NOT IN ('iris')", "C A"),
    (43, "dataset.name = 'iris' AND dataset.context = 'eval'", "A"),
    (44, "dataset.context != 'train'", "A"),
    (45, "dataset.name IN ('iris','wine')", "C B A"),
    (46, "lifecycle_stage = 'active'", REJECTED),
    (46, "bogus.x = '1'", REJECTED),
    (46, "metrics.acc", REJECTED),
]


@pytest.mark.parametrize(("number", "filter", "expected"), FILTERS)
@pytest.mark.parametrize("size", [1000, 1])
def test_filters_of_runs_answer_as_documented(
    world: World, number: int, filter: str, expected: str | None, size: int
) -> None:
    if expected is None:
        rejected(lambda: world.find_runs(filter, size=size))
    else:
        assert world.find_runs(filter, size=size) == expected


def test_example_2_deleted_runs_are_found_when_asked_for(world: World) -> None:
    assert world.find_runs(view=ViewType.DELETED_ONLY) == "F"
    assert world.find_runs(view=ViewType.ALL) == "F C D B A E"


ORDERS: list[tuple[int, list[str], str | None]] = [
    (47, ["metrics.acc ASC"], "D A C B E"),
    (48, ["metrics.acc DESC"], "C A D B E"),
    (49, ["params.lr ASC"], "B D A C E"),
    (49, ["params.lr DESC"], "C D A B E"),
    (50, ["tags.team ASC"], "E B D A C"),
    (51, ["end_time ASC"], "A D C B E"),
    (51, ["end_time DESC"], "C D A B E"),
    (52, ["run_name ASC"], "C D A B E"),
    (52, ["attributes.run_name DESC"], "E B D A C"),
    (53, ["user_id ASC", "start_time ASC"], "A C B D E"),
    (54, ["status ASC"], "C A D B E"),
    (55, ["metrics.nope DESC"], "C D B A E"),
    (56, ["start_time ASC", "start_time DESC"], REJECTED),  # repaired: was a 500
    (57, ["metrics.acc FOO"], REJECTED),
    (57, ["dataset.name ASC"], REJECTED),
    (57, [""], REJECTED),
]


@pytest.mark.parametrize(("number", "order", "expected"), ORDERS)
@pytest.mark.parametrize("size", [1000, 1])
def test_orders_of_runs_are_as_documented(
    world: World, number: int, order: list[str], expected: str | None, size: int
) -> None:
    if expected is None:
        rejected(lambda: world.find_runs("", order, size=size))
    else:
        assert world.find_runs("", order, size=size) == expected


def test_example_58_a_token_comes_only_when_something_follows(world: World) -> None:
    two = world.store.search_runs([world.sweep], "", ViewType.ACTIVE_ONLY, 2, [], "")
    assert [run.info.run_id[0] for run in two] == ["c", "d"]
    assert two.token
    five = world.store.search_runs([world.sweep], "", ViewType.ACTIVE_ONLY, 5, [], "")
    assert len(five) == 5
    assert five.token is None


# ---------------------------------------------------------------- 7.2 experiments

EXPERIMENTS: list[tuple[int, str, list[str], str | None]] = [
    (60, "tags.team = 'a'", [], "P"),
    (60, "tag.team != 'a'", [], "Q"),
    (61, "tags.team IS NULL AND name != 'Default' AND name != 'sweep' AND name != 'zoo'", [], "R"),
    (62, "attribute.name LIKE '%est'", [], "R Q"),
    (62, "attributes.name LIKE '%est'", [], "R Q"),  # repaired: was rejected
    (63, "name ILIKE '%plan'", [], "P"),
    (63, "name like '%Plan'", [], "P"),  # repaired: was rejected
    (64, "experiment_id IN ('<P>','<Q>')", [], "Q P"),
    (64, "experiment_id > '1'", [], REJECTED),
    (65, "creation_time > '0'", [], REJECTED),
    (66, "", ["name ASC"], "P R Q"),
    (66, "", ["tags.team"], REJECTED),
]


@pytest.mark.parametrize(("number", "filter", "order", "expected"), EXPERIMENTS)
def test_searches_of_experiments_answer_as_documented(
    world: World, number: int, filter: str, order: list[str], expected: str | None
) -> None:
    if expected is None:
        rejected(lambda: world.find_experiments(filter, order))
    else:
        assert world.find_experiments(filter, order) == expected


def test_example_59_experiments_come_newest_first(world: World) -> None:
    assert world.find_experiments() == "R Q P"
    assert world.find_experiments(view=ViewType.ALL) == "S R Q P"


# ---------------------------------------------------------------- 7.3 registry

MODELS: list[tuple[int, str, list[str], str | None]] = [
    (67, "", [], "Ant Cat bee"),
    (68, "tag.fw != 'sk'", [], "bee"),
    (69, "name IN ('Ant','bee')", [], "Ant bee"),
    (69, "name LIKE 'ant%'", [], ""),
    (70, "tags.fw = 'torch' AND tags.own = 'z'", [], "bee"),
    (71, "tags.`mlflow.prompt.is_prompt` = 'true'", [], "dprompt"),
    (71, "tags.`mlflow.prompt.is_prompt` != 'false'", [], "dprompt"),
    (71, "tags.`mlflow.prompt.is_prompt` = 'false'", [], "Ant Cat bee"),
    (71, "tags.`mlflow.prompt.is_prompt` != 'true'", [], "Ant Cat bee"),
    (72, "", ["timestamp DESC"], "Ant Cat bee"),
    (72, "", ["creation_timestamp ASC"], REJECTED),
]


@pytest.mark.parametrize(("number", "filter", "order", "expected"), MODELS)
def test_searches_of_registered_models_answer_as_documented(
    world: World, number: int, filter: str, order: list[str], expected: str | None
) -> None:
    if expected is None:
        rejected(lambda: world.find_models(filter, order))
    else:
        assert world.find_models(filter, order) == expected


VERSIONS: list[tuple[int, str, list[str], str]] = [
    (73, "", [], "Ant3 bee1 Ant2 Ant1"),
    (74, "run_id = '<r1>'", [], "bee1 Ant1"),
    (74, "run_id = ''", [], "Ant3"),
    (75, "source_path LIKE 's3://b/%'", [], "Ant3 Ant2 Ant1"),
    (76, "version_number >= 2", [], "Ant3 Ant2"),
    (76, "version_number = '2'", [], "Ant2"),
    (77, "tags.q != 'hi'", [], "Ant2"),
    (78, "", ["version_number ASC"], "Ant1 bee1 Ant2 Ant3"),
    (78, "", ["name ASC"], "Ant3 Ant2 Ant1 bee1"),
]


@pytest.mark.parametrize(("number", "filter", "order", "expected"), VERSIONS)
def test_searches_of_model_versions_answer_as_documented(
    world: World, number: int, filter: str, order: list[str], expected: str
) -> None:
    assert world.find_versions(filter, order) == expected


# ---------------------------------------------------------------- 7.4 logged models

TRAIN, TEST = DatasetFilter("tr", "d1"), DatasetFilter("te", "d2")

LOGGED: list[tuple[int, str, list[ModelOrder], list[DatasetFilter], str]] = [
    (79, "", [], [], "M L K J"),
    (80, "name = 'jay'", [], [], "M J"),
    (80, 'name = "jay"', [], [], "M J"),  # repaired: found nothing
    (81, "metrics.acc > 0.6", [], [], "K J"),
    (82, "status = 2", [], [], "M J"),
    (82, "status = 'READY'", [], [], "M J"),  # repaired: found nothing
    (83, "tags.t != 'x'", [], [], "L"),
    (83, "tag.t = 'x'", [], [], "J"),  # repaired: was rejected
    (84, "", [ModelOrder("metrics.acc", True)], [], "J K M L"),  # repaired: NaN is not 0 but stands behind numbers
    (84, "", [ModelOrder("metrics.acc", False)], [], "K J M L"),
    (85, "", [ModelOrder("metrics.acc", True, "te", "d2")], [], "J K M L"),
    (86, "", [], [TRAIN, TEST], "K J"),
]


@pytest.mark.parametrize(("number", "filter", "order", "datasets", "expected"), LOGGED)
def test_searches_of_logged_models_answer_as_documented(
    world: World, number: int, filter: str, order: list[ModelOrder], datasets: list[DatasetFilter], expected: str
) -> None:
    assert world.find_logged(filter, order, datasets) == expected


def test_every_example_is_here() -> None:
    """86 examples; 2, 58 and 59 have tests of their own."""
    tables: list[Sequence[tuple[Any, ...]]] = [FILTERS, ORDERS, EXPERIMENTS, MODELS, VERSIONS, LOGGED]
    numbers = {row[0] for table in tables for row in table} | {2, 58, 59}
    assert numbers == set(range(1, 87))
