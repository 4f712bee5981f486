"""Small trainings with autologging on, written for MLflow's API: run by the official package and by ours (see `record.py`).

Each function is one scenario. Data are made by formulas, so that they are the same on every machine and library version.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd


def table(rows: int = 60) -> tuple[pd.DataFrame, pd.Series]:
    """Three columns of numbers, and a target that depends on them."""
    at = np.arange(rows, dtype=np.float64)
    frame = pd.DataFrame({"a": np.sin(at), "b": np.cos(at * 0.7), "c": (at % 7) / 7})
    return frame, pd.Series(3 * frame["a"] - 2 * frame["b"] + 0.5 * np.sin(at * 3), name="target")


def classes(kinds: int, rows: int = 60) -> tuple[pd.DataFrame, pd.Series]:
    """The same table with classes 0, 1, ... that a linear model gets right mostly."""
    frame, target = table(rows)
    return frame, pd.Series(pd.qcut(target, kinds, labels=False), name="kind")


# ---------------------------------------------------------------- scikit-learn


def sklearn_regression(mlflow: ModuleType) -> None:
    from sklearn.linear_model import LinearRegression

    mlflow.sklearn.autolog(log_models=False)
    x, y = table()
    LinearRegression().fit(x, y)


def sklearn_regression_with_weights(mlflow: ModuleType) -> None:
    from sklearn.linear_model import Ridge

    mlflow.sklearn.autolog(log_models=False, log_datasets=False)
    x, y = table()
    Ridge(alpha=0.5).fit(x.to_numpy(), y=y.to_numpy(), sample_weight=np.linspace(1, 2, len(y)))


def sklearn_regression_of_two_targets(mlflow: ModuleType) -> None:
    from sklearn.linear_model import LinearRegression

    mlflow.sklearn.autolog(log_models=False)
    x, y = table()
    LinearRegression().fit(x, pd.DataFrame({"one": y, "two": -2 * y + 1}))


def sklearn_binary_classifier(mlflow: ModuleType) -> None:
    from sklearn.linear_model import LogisticRegression

    mlflow.sklearn.autolog(log_models=False)
    LogisticRegression(C=0.3).fit(*classes(2))


def sklearn_binary_classifier_with_pos_label(mlflow: ModuleType) -> None:
    from sklearn.linear_model import LogisticRegression

    mlflow.sklearn.autolog(log_models=False, pos_label=1, extra_tags={"team": "blue"})
    LogisticRegression().fit(*classes(2))


def sklearn_multiclass_classifier(mlflow: ModuleType) -> None:
    from sklearn.tree import DecisionTreeClassifier

    mlflow.sklearn.autolog(log_models=False)
    x, y = classes(3)
    DecisionTreeClassifier(max_depth=2, random_state=0).fit(x, y.map({0: "low", 1: "mid", 2: "high"}))


def sklearn_classifier_without_probabilities(mlflow: ModuleType) -> None:
    from sklearn.svm import LinearSVC

    mlflow.sklearn.autolog(log_models=False)
    LinearSVC(random_state=0).fit(*classes(2))


def sklearn_clustering(mlflow: ModuleType) -> None:
    from sklearn.cluster import KMeans

    mlflow.sklearn.autolog(log_models=False)
    KMeans(n_clusters=2, random_state=0, n_init=1).fit_predict(table()[0])


def sklearn_transformer(mlflow: ModuleType) -> None:
    from sklearn.decomposition import PCA

    mlflow.sklearn.autolog(log_models=False)
    PCA(n_components=2).fit_transform(table()[0])


def sklearn_preprocessing_is_no_training(mlflow: ModuleType) -> None:
    from sklearn.feature_selection import SelectKBest
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import StandardScaler

    mlflow.sklearn.autolog(log_models=False)
    x, y = table()
    StandardScaler().fit_transform(x)
    SimpleImputer().fit(x)
    SelectKBest(k=2).fit(x, y)


def sklearn_pipeline(mlflow: ModuleType) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    mlflow.sklearn.autolog(log_models=False)
    make_pipeline(StandardScaler(), LogisticRegression()).fit(*classes(2))


def sklearn_ensemble(mlflow: ModuleType) -> None:
    from sklearn.ensemble import RandomForestClassifier, VotingClassifier
    from sklearn.linear_model import LogisticRegression

    mlflow.sklearn.autolog(log_models=False)
    forest = RandomForestClassifier(n_estimators=3, random_state=0, n_jobs=2)
    VotingClassifier([("forest", forest), ("linear", LogisticRegression())], voting="soft").fit(*classes(2))


def sklearn_grid_search(mlflow: ModuleType) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    mlflow.sklearn.autolog(log_models=False, max_tuning_runs=2)
    GridSearchCV(LogisticRegression(), {"C": [0.01, 0.1, 1.0]}, cv=3).fit(*classes(2))


def sklearn_random_search_in_own_run(mlflow: ModuleType) -> None:
    from sklearn.model_selection import RandomizedSearchCV
    from sklearn.tree import DecisionTreeRegressor

    mlflow.sklearn.autolog(log_models=False, max_tuning_runs=None, extra_tags={"team": "blue"})
    with mlflow.start_run(run_name="search"):
        RandomizedSearchCV(
            DecisionTreeRegressor(random_state=0), {"max_depth": [1, 2, 3]}, n_iter=2, cv=2, random_state=0
        ).fit(*table())


def sklearn_search_with_several_scores(mlflow: ModuleType) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    mlflow.sklearn.autolog(log_models=False)
    steps = Pipeline([("scale", StandardScaler()), ("model", LogisticRegression())])
    GridSearchCV(steps, {"model__C": [0.1, 1.0]}, scoring=["accuracy", "f1"], refit="f1", cv=2).fit(*classes(2))


def sklearn_search_without_refit(mlflow: ModuleType) -> None:
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV

    mlflow.sklearn.autolog(log_models=False)
    GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, refit=False, cv=2).fit(*table())


def sklearn_metrics_after_training(mlflow: ModuleType) -> None:
    import sklearn.metrics
    from sklearn.linear_model import LogisticRegression

    mlflow.sklearn.autolog(log_models=False)
    x, y = classes(2)
    train_x, test_x, train_y, test_y = x[:40], x[40:], y[:40], y[40:]
    model = LogisticRegression().fit(train_x, train_y)
    predicted = model.predict(test_x)
    sklearn.metrics.accuracy_score(test_y, predicted)
    sklearn.metrics.accuracy_score(test_y, y_pred=predicted)
    sklearn.metrics.f1_score(test_y, model.predict(test_x), average="macro")
    sklearn.metrics.roc_auc_score(test_y, model.predict_proba(test_x)[:, 1])  # a slice is another object
    sklearn.metrics.confusion_matrix(test_y, predicted)
    sklearn.metrics.accuracy_score(test_y, test_y)
    model.score(test_x, test_y)
    model.score(x[40:], y[40:])
    sklearn.metrics.get_scorer("accuracy")(model, test_x, test_y)


def sklearn_prediction_without_a_metric(mlflow: ModuleType) -> None:
    from sklearn.linear_model import LogisticRegression

    mlflow.sklearn.autolog(log_models=False)
    x, y = classes(2)
    model = LogisticRegression().fit(x[:40], y[:40])
    model.predict(x[40:])
    held_out = x[45:]
    model.predict_proba(held_out)


def sklearn_score_without_a_prediction(mlflow: ModuleType) -> None:
    from sklearn.linear_model import LogisticRegression

    mlflow.sklearn.autolog(log_models=False)
    x, y = classes(2)
    model = LogisticRegression().fit(x[:40], y[:40])
    model.score(x[40:], y[40:])


def sklearn_metric_of_all_outputs(mlflow: ModuleType) -> None:
    from sklearn import metrics
    from sklearn.linear_model import LogisticRegression

    mlflow.sklearn.autolog(log_models=False)
    x, y = classes(2)
    held_out, kinds = x[40:], y[40:]
    model = LogisticRegression().fit(x[:40], y[:40])
    metrics.log_loss(kinds, model.predict_proba(held_out))
    metrics.roc_auc_score(kinds, y_score=model.decision_function(held_out))
    metrics.zero_one_loss(kinds, model.predict(X=held_out.copy()), normalize=False)


def sklearn_metrics_after_two_trainings(mlflow: ModuleType) -> None:
    from sklearn import metrics
    from sklearn.linear_model import LinearRegression, Ridge

    mlflow.sklearn.autolog(log_models=False)
    x, y = table()
    linear, ridge = LinearRegression().fit(x, y), Ridge().fit(x, y)
    metrics.mean_squared_error(y, linear.predict(x))
    metrics.mean_absolute_error(y_true=y, y_pred=ridge.predict(X=x))
    LinearRegression().fit(x, y)
    linear.score(x, y)


def sklearn_metrics_inside_own_run(mlflow: ModuleType) -> None:
    from sklearn import metrics
    from sklearn.linear_model import LinearRegression

    mlflow.sklearn.autolog(log_models=False, log_post_training_metrics=True)
    x, y = table()
    with mlflow.start_run():
        model = LinearRegression().fit(x, y)
        metrics.r2_score(y, model.predict(x))
        mlflow.log_metric("mine", 1.0)


def sklearn_metrics_switched_off(mlflow: ModuleType) -> None:
    from sklearn import metrics
    from sklearn.linear_model import LinearRegression

    mlflow.sklearn.autolog(log_models=False, log_post_training_metrics=False)
    x, y = table()
    model = LinearRegression().fit(x, y)
    metrics.r2_score(y, model.predict(x))
    model.score(x, y)


def sklearn_cross_validation_is_no_training(mlflow: ModuleType) -> None:
    from sklearn import model_selection
    from sklearn.linear_model import LinearRegression

    mlflow.sklearn.autolog(log_models=False)
    x, y = table()
    model_selection.cross_val_score(LinearRegression(), x, y, cv=2)
    model_selection.cross_validate(LinearRegression(), x, y, cv=2)
    model_selection.cross_val_predict(LinearRegression(), x, y, cv=2)


def sklearn_failing_training(mlflow: ModuleType) -> None:
    from sklearn.linear_model import LinearRegression

    mlflow.sklearn.autolog(log_models=False)
    x, y = table()
    try:
        LinearRegression().fit(x, y[:-1])
    except ValueError:
        pass


def sklearn_exclusive(mlflow: ModuleType) -> None:
    from sklearn.linear_model import LinearRegression

    mlflow.sklearn.autolog(log_models=False, exclusive=True)
    with mlflow.start_run():
        LinearRegression().fit(*table())
    LinearRegression().fit(*table())


def sklearn_twice_in_one_run(mlflow: ModuleType) -> None:
    from sklearn.linear_model import LinearRegression

    mlflow.sklearn.autolog(log_models=False)
    with mlflow.start_run():
        x, y = table()
        LinearRegression().fit(x, y)
        LinearRegression().fit(x[:30], y[:30])


def sklearn_disabled(mlflow: ModuleType) -> None:
    from sklearn.linear_model import LinearRegression

    mlflow.sklearn.autolog(log_models=False)
    mlflow.sklearn.autolog(disable=True)
    LinearRegression().fit(*table())


def sklearn_umbrella(mlflow: ModuleType) -> None:
    from sklearn.linear_model import LinearRegression

    mlflow.autolog(log_models=False, extra_tags={"by": "umbrella"})
    LinearRegression().fit(*table())
    mlflow.autolog(disable=True)
    LinearRegression().fit(*table())


def sklearn_sparse_input(mlflow: ModuleType) -> None:
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import Ridge

    mlflow.sklearn.autolog(log_models=False)
    x, y = table()
    Ridge().fit(csr_matrix(x.to_numpy()), y.to_numpy())


def sklearn_model(mlflow: ModuleType) -> None:
    from sklearn.linear_model import LogisticRegression

    mlflow.sklearn.autolog(log_input_examples=True)
    LogisticRegression().fit(*classes(2))


def sklearn_model_without_example(mlflow: ModuleType) -> None:
    from sklearn.linear_model import LinearRegression

    mlflow.sklearn.autolog(registered_model_name="flow")
    x, y = table()
    LinearRegression().fit(x.to_numpy(), y.to_numpy())


def sklearn_search_models(mlflow: ModuleType) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    mlflow.sklearn.autolog(log_model_signatures=False)
    GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2).fit(*classes(2))


# ---------------------------------------------------------------- XGBoost


def xgboost_train(mlflow: ModuleType) -> None:
    import xgboost

    mlflow.xgboost.autolog(log_models=False)
    x, y = table()
    data, held_out = xgboost.DMatrix(x[:40], y[:40]), xgboost.DMatrix(x[40:], y[40:])
    xgboost.train(
        {"max_depth": 2, "eta": 0.3, "seed": 0, "eval_metric": ["rmse", "mae"]},
        data,
        num_boost_round=4,
        evals=[(data, "train"), (held_out, "test")],
        verbose_eval=False,
    )


def xgboost_early_stopping(mlflow: ModuleType) -> None:
    import xgboost

    mlflow.xgboost.autolog(log_models=False, importance_types=["weight", "gain"])
    x, y = classes(2)
    data, held_out = xgboost.DMatrix(x[:40], y[:40]), xgboost.DMatrix(x[40:], y[40:])
    xgboost.train(
        {"objective": "binary:logistic", "eta": 1.0, "eval_metric": ["logloss", "error@0.4"]},
        data,
        50,
        evals=[(held_out, "test")],
        early_stopping_rounds=2,
        verbose_eval=False,
    )


def xgboost_without_evals(mlflow: ModuleType) -> None:
    import xgboost

    mlflow.xgboost.autolog(log_models=False, log_datasets=False)
    x, y = table()
    xgboost.train({}, xgboost.DMatrix(x.to_numpy(), y.to_numpy()), num_boost_round=2)


def xgboost_classifier(mlflow: ModuleType) -> None:
    import xgboost

    mlflow.xgboost.autolog(log_models=False)
    x, y = classes(3)
    model = xgboost.XGBClassifier(n_estimators=3, max_depth=2, early_stopping_rounds=2)
    model.fit(x[:40], y[:40], eval_set=[(x[40:], y[40:])], verbose=False)


def xgboost_regressor(mlflow: ModuleType) -> None:
    import xgboost

    mlflow.xgboost.autolog(log_models=False)
    xgboost.XGBRegressor(n_estimators=3, max_depth=2, random_state=0).fit(*table())


def xgboost_linear_booster(mlflow: ModuleType) -> None:
    import xgboost

    mlflow.xgboost.autolog(log_models=False)
    x, y = table()
    xgboost.train({"booster": "gblinear", "updater": "coord_descent"}, xgboost.DMatrix(x, y), num_boost_round=2)


def xgboost_in_grid_search(mlflow: ModuleType) -> None:
    import xgboost
    from sklearn.model_selection import GridSearchCV

    mlflow.xgboost.autolog(log_models=False)
    mlflow.sklearn.autolog(log_models=False)
    model = xgboost.XGBRegressor(n_estimators=2)
    GridSearchCV(model, {"max_depth": [1, 2]}, cv=2).fit(*table())
    mlflow.sklearn.autolog(disable=True)


def xgboost_model(mlflow: ModuleType) -> None:
    import xgboost

    mlflow.xgboost.autolog(log_input_examples=True)
    x, y = table()
    data = xgboost.DMatrix(x, y)
    xgboost.train({"max_depth": 2}, data, num_boost_round=2, evals=[(data, "train")], verbose_eval=False)


def xgboost_sklearn_model(mlflow: ModuleType) -> None:
    import xgboost

    mlflow.xgboost.autolog()
    xgboost.XGBRegressor(n_estimators=2).fit(*table())


# ---------------------------------------------------------------- LightGBM


QUIET = {"verbose": -1, "num_threads": 1, "deterministic": True, "min_data_in_leaf": 2, "seed": 1}


def lightgbm_train(mlflow: ModuleType) -> None:
    import lightgbm

    mlflow.lightgbm.autolog(log_models=False)
    x, y = table()
    data = lightgbm.Dataset(x[:40], y[:40])
    held_out = lightgbm.Dataset(x[40:], y[40:], reference=data)
    lightgbm.train(
        {**QUIET, "objective": "regression", "metric": ["l1", "l2"]},
        data,
        num_boost_round=3,
        valid_sets=[data, held_out],
        valid_names=["train", "test"],
    )


def lightgbm_early_stopping(mlflow: ModuleType) -> None:
    import lightgbm

    mlflow.lightgbm.autolog(log_models=False)
    x, y = classes(2)
    data = lightgbm.Dataset(x[:40], y[:40])
    held_out = lightgbm.Dataset(x[40:], y[40:], reference=data)
    lightgbm.train(
        {**QUIET, "objective": "binary", "metric": ["auc", "binary_logloss"], "learning_rate": 0.9},
        data,
        30,
        valid_sets=[held_out],
        callbacks=[lightgbm.early_stopping(2, verbose=False)],
    )


def lightgbm_ranking_metric_names(mlflow: ModuleType) -> None:
    import lightgbm

    mlflow.lightgbm.autolog(log_models=False, log_datasets=False)
    x, y = classes(3)
    data = lightgbm.Dataset(x, y, group=[20, 20, 20])
    lightgbm.train(
        {**QUIET, "objective": "lambdarank", "metric": "ndcg", "eval_at": [1, 3]}, data, 2, valid_sets=[data]
    )


def lightgbm_classifier(mlflow: ModuleType) -> None:
    import lightgbm

    mlflow.lightgbm.autolog(log_models=False)
    x, y = classes(2)
    model = lightgbm.LGBMClassifier(n_estimators=3, num_leaves=4, n_jobs=1, verbose=-1)
    model.fit(x[:40], y[:40], eval_set=[(x[40:], y[40:])], eval_metric="auc")


def lightgbm_regressor(mlflow: ModuleType) -> None:
    import lightgbm

    mlflow.lightgbm.autolog(log_models=False)
    lightgbm.LGBMRegressor(n_estimators=3, num_leaves=4, n_jobs=1, verbose=-1).fit(*table())


def lightgbm_model(mlflow: ModuleType) -> None:
    import lightgbm

    mlflow.lightgbm.autolog(log_input_examples=True)
    x, y = table()
    data = lightgbm.Dataset(x, y)
    lightgbm.train({**QUIET, "objective": "regression"}, data, num_boost_round=2, valid_sets=[data])


def lightgbm_sklearn_model(mlflow: ModuleType) -> None:
    import lightgbm

    mlflow.lightgbm.autolog(log_input_examples=True)
    lightgbm.LGBMRegressor(n_estimators=3, num_leaves=4, n_jobs=1, verbose=-1).fit(*table())


# ---------------------------------------------------------------- statsmodels


def statsmodels_least_squares(mlflow: ModuleType) -> None:
    import statsmodels.api as sm

    mlflow.statsmodels.autolog(log_models=False)
    x, y = table()
    sm.OLS(y, sm.add_constant(x)).fit()


def statsmodels_with_arguments(mlflow: ModuleType) -> None:
    import statsmodels.api as sm

    mlflow.statsmodels.autolog(log_models=False)
    x, y = classes(2)
    sm.Logit(y, sm.add_constant(x)).fit(method="newton", disp=0, maxiter=3)


def statsmodels_generalized(mlflow: ModuleType) -> None:
    import statsmodels.api as sm

    mlflow.statsmodels.autolog(log_models=False)
    x, y = classes(2)
    sm.GLM(y, x, family=sm.families.Poisson()).fit()


def statsmodels_time_series(mlflow: ModuleType) -> None:
    from statsmodels.tsa.arima.model import ARIMA

    mlflow.statsmodels.autolog(log_models=False)
    ARIMA(table()[1].to_numpy(), order=(1, 0, 0)).fit()


def statsmodels_formula(mlflow: ModuleType) -> None:
    import statsmodels.formula.api as smf

    mlflow.statsmodels.autolog(log_models=False)
    x, y = table()
    smf.ols("target ~ a + b", data=x.assign(target=y)).fit()


def statsmodels_model(mlflow: ModuleType) -> None:
    import statsmodels.api as sm

    mlflow.statsmodels.autolog()
    x, y = table()
    sm.OLS(y, x).fit()


# ---------------------------------------------------------------- PyTorch Lightning


def linear_module(optimizer: str = "Adam", **logged: bool) -> Any:
    """A linear model of three features, and its data."""
    import lightning
    import torch

    torch.manual_seed(0)

    class Linear(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(3, 1)

        def forward(self, x: Any) -> Any:
            return self.layer(x)

        def loss(self, batch: Any) -> Any:
            return torch.nn.functional.mse_loss(self(batch[0]).squeeze(-1), batch[1])

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = self.loss(batch)
            self.log("train_loss", loss, on_step=True, on_epoch=True)
            return loss

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.log("val_loss", self.loss(batch))

        def test_step(self, batch: Any, batch_idx: int) -> None:
            self.log("test_loss", self.loss(batch))

        def configure_optimizers(self) -> Any:
            return getattr(torch.optim, optimizer)(self.parameters(), lr=0.1)

    return Linear()


def batches(rows: int = 60) -> Any:
    import torch

    frame, target = table(rows)
    data = torch.utils.data.TensorDataset(
        torch.tensor(frame.to_numpy(), dtype=torch.float32), torch.tensor(target.to_numpy(), dtype=torch.float32)
    )
    return torch.utils.data.DataLoader(data, batch_size=20)


def trainer(**options: Any) -> Any:
    import lightning

    quiet = {
        "logger": False,
        "enable_progress_bar": False,
        "enable_checkpointing": False,
        "enable_model_summary": False,
    }
    return lightning.Trainer(accelerator="cpu", **{**quiet, **options})


def pytorch_fit(mlflow: ModuleType) -> None:
    mlflow.pytorch.autolog(log_models=False, checkpoint=False)
    trainer(max_epochs=3).fit(linear_module(), batches())


def pytorch_fit_with_validation(mlflow: ModuleType) -> None:
    mlflow.pytorch.autolog(log_models=False, checkpoint=False, log_every_n_epoch=2)
    trainer(max_epochs=4).fit(linear_module("SGD"), batches(), batches(20))


def pytorch_every_step(mlflow: ModuleType) -> None:
    mlflow.pytorch.autolog(log_models=False, checkpoint=False, log_every_n_step=1)
    trainer(max_epochs=1, log_every_n_steps=1).fit(linear_module(), batches(), batches(20))


def pytorch_early_stopping(mlflow: ModuleType) -> None:
    from lightning.pytorch.callbacks import EarlyStopping

    mlflow.pytorch.autolog(log_models=False, checkpoint=False)
    stopping = EarlyStopping("val_loss", min_delta=100.0, patience=1)
    trainer(max_epochs=10, callbacks=[stopping]).fit(linear_module(), batches(), batches(20))


def pytorch_fit_and_test(mlflow: ModuleType) -> None:
    mlflow.pytorch.autolog(log_models=False, checkpoint=False)
    with mlflow.start_run():
        model, ours = linear_module(), trainer(max_epochs=1)
        ours.fit(model, batches(), batches(20))
        ours.test(model, batches(20), verbose=False)


def pytorch_best_checkpoint(mlflow: ModuleType) -> None:
    mlflow.pytorch.autolog(log_models=False)
    trainer(max_epochs=3).fit(linear_module(), batches(), batches(20))


def pytorch_all_checkpoints(mlflow: ModuleType) -> None:
    mlflow.pytorch.autolog(log_models=False, checkpoint_save_best_only=False, checkpoint_save_weights_only=True)
    trainer(max_epochs=2).fit(linear_module(), batches(), batches(20))


def pytorch_checkpoint_every_step(mlflow: ModuleType) -> None:
    mlflow.pytorch.autolog(
        log_models=False, checkpoint_save_best_only=False, checkpoint_save_freq=2, checkpoint_monitor="train_loss"
    )
    trainer(max_epochs=1).fit(linear_module(), batches(80))


def pytorch_own_checkpoints(mlflow: ModuleType) -> None:
    import tempfile

    from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

    mlflow.pytorch.autolog(log_models=False, checkpoint=False)
    with tempfile.TemporaryDirectory() as folder:
        kept = ModelCheckpoint(folder, monitor="val_loss", filename="best")
        stopping = EarlyStopping("val_loss", min_delta=100.0, patience=1)
        trainer(max_epochs=4, callbacks=[kept, stopping], enable_checkpointing=True).fit(
            linear_module(), batches(), batches(20)
        )


def pytorch_model(mlflow: ModuleType) -> None:
    mlflow.pytorch.autolog(checkpoint=False)
    trainer(max_epochs=2).fit(linear_module(), batches(), batches(20))


# ---------------------------------------------------------------- Keras


def dense_model(optimizer: Any = "sgd") -> Any:
    import keras

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse", metrics=["mae"])
    return model


def arrays() -> tuple[np.ndarray, np.ndarray]:
    frame, target = table()
    return frame.to_numpy(), target.to_numpy()


def keras_fit(mlflow: ModuleType) -> None:
    mlflow.keras.autolog(log_models=False)
    dense_model().fit(*arrays(), epochs=2, batch_size=20, verbose=0, shuffle=False)


def keras_positional_arguments(mlflow: ModuleType) -> None:
    mlflow.keras.autolog(log_models=False, log_datasets=False)
    dense_model().fit(*arrays(), 30, 2, 0)


def keras_validation(mlflow: ModuleType) -> None:
    import keras

    mlflow.keras.autolog(log_models=False)
    x, y = arrays()
    model = dense_model(keras.optimizers.Adam(0.01))
    model.fit(x[:40], y[:40], epochs=3, validation_data=(x[40:], y[40:]), verbose=0)


def keras_every_step(mlflow: ModuleType) -> None:
    mlflow.keras.autolog(log_models=False, log_every_epoch=False, log_every_n_steps=1)
    dense_model().fit(*arrays(), epochs=2, batch_size=30, verbose=0, validation_split=0.5)


def keras_early_stopping(mlflow: ModuleType) -> None:
    import keras

    mlflow.keras.autolog(log_models=False)
    x, y = arrays()
    stopping = keras.callbacks.EarlyStopping("val_loss", min_delta=100.0, patience=1, restore_best_weights=True)
    dense_model().fit(x[:40], y[:40], epochs=8, validation_data=(x[40:], y[40:]), callbacks=[stopping], verbose=0)


def keras_model(mlflow: ModuleType) -> None:
    mlflow.keras.autolog(log_input_examples=True)
    dense_model().fit(*arrays(), epochs=2, verbose=0)


def names(library: str) -> list[str]:
    """The scenarios of a library."""
    return [name for name in globals() if name.startswith(f"{library}_")]


def run(mlflow: ModuleType, name: str) -> Any:
    """Run one scenario, and switch off what it switched on."""
    try:
        globals()[name](mlflow)
    finally:
        getattr(mlflow, name.partition("_")[0]).autolog(disable=True)
