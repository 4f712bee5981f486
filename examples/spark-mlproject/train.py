"""Which cultivar is a wine of? Trains several algorithms on Spark, each in a run of its own, keeps the best, and scores with it.

It says `import mlflow`, as any MLproject does: `millstream run` sees to it that this is Millstream.
"""

import argparse

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import mlflow
import preparation
import session
from mlflow.models import infer_signature


def classifiers(arguments):
    """The algorithms by name, untrained."""
    from pyspark.ml.classification import LogisticRegression, RandomForestClassifier

    columns = {"featuresCol": "features", "labelCol": preparation.TARGET}
    return {
        "logistic": LogisticRegression(regParam=arguments.regularization, **columns),
        "forest": RandomForestClassifier(numTrees=arguments.trees, seed=arguments.seed, **columns),
    }


def pipeline(classifier, columns):
    """Columns to a vector, scaled, classified."""
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import StandardScaler, VectorAssembler

    assembler = VectorAssembler(inputCols=columns, outputCol="raw")
    scaler = StandardScaler(inputCol="raw", outputCol="features", withMean=True)
    return Pipeline(stages=[assembler, scaler, classifier])


def evaluate(predictions):
    from pyspark.ml.evaluation import MulticlassClassificationEvaluator

    names = {"accuracy": "accuracy", "f1": "f1", "log_loss": "logLoss"}
    evaluator = MulticlassClassificationEvaluator(labelCol=preparation.TARGET)
    return {name: evaluator.setMetricName(spark_name).evaluate(predictions) for name, spark_name in names.items()}


def confusion(predictions, title):
    """The confusion matrix as a figure."""
    from sklearn.metrics import ConfusionMatrixDisplay

    rows = predictions.select(preparation.TARGET, "prediction").toPandas()
    figure, axes = plt.subplots(figsize=(4, 4))
    ConfusionMatrixDisplay.from_predictions(rows[preparation.TARGET], rows["prediction"], ax=axes, colorbar=False)
    axes.set_title(title)
    figure.tight_layout()
    return figure


def train(name, classifier, columns, rows, test):
    """One algorithm in a run of its own: the fitted pipeline and its metrics."""
    with mlflow.start_run(run_name=name, nested=True):
        mlflow.log_params({"algorithm": name, "estimator": type(classifier).__name__})
        model = pipeline(classifier, columns).fit(rows)
        predictions = model.transform(test).cache()
        metrics = evaluate(predictions)
        mlflow.log_metrics(metrics)
        figure = confusion(predictions, name)
        mlflow.log_figure(figure, "confusion.png")
        plt.close(figure)
    print(f"{name}: accuracy {metrics['accuracy']:.3f}, log loss {metrics['log_loss']:.3f}")
    return model, metrics


def register(model, test, name):
    """Log the pipeline with its signature and register it; the URI of the new version."""
    examples = test.drop(preparation.TARGET).limit(5).toPandas()
    predicted = model.transform(test.limit(5)).select("prediction").toPandas()
    info = mlflow.spark.log_model(
        model, artifact_path="model", signature=infer_signature(examples, predicted), registered_model_name=name
    )
    return f"models:/{name}/{info.registered_model_version}"


def score(spark, uri, frame):
    """How many rows of a frame the registered model gets right, as a function over its columns."""
    from pyspark.sql import functions as f

    columns = [name for name in frame.columns if name != preparation.TARGET]
    predict = mlflow.pyfunc.spark_udf(spark, uri, result_type="double")
    scored = (
        frame.coalesce(1).withColumn("predicted", predict(f.struct(*columns))).cache()
    )  # one worker loads the model
    return scored.where(f.col("predicted") == f.col(preparation.TARGET)).count() / scored.count()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--algorithms", default="logistic,forest")
    parser.add_argument("--regularization", type=float, default=0.01)
    parser.add_argument("--trees", type=int, default=20)
    parser.add_argument("--test-fraction", type=float, default=0.25)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--registered-model", default="wine-cultivar")
    arguments = parser.parse_args()

    spark = session.start("wine-on-spark")
    rows, test = preparation.split(
        preparation.prepare(preparation.load(spark)), arguments.test_fraction, arguments.seed
    )
    columns = [name for name in rows.columns if name != preparation.TARGET]
    known = classifiers(arguments)
    with mlflow.start_run() as run:
        mlflow.set_tag("spark.master", spark.sparkContext.master)
        mlflow.log_metrics({"rows/train": rows.count(), "rows/test": test.count()})
        results = {name: train(name, known[name], columns, rows, test) for name in arguments.algorithms.split(",")}
        best = max(results, key=lambda name: (results[name][1]["accuracy"], -results[name][1]["log_loss"]))
        model, metrics = results[best]
        mlflow.set_tag("best", best)
        mlflow.log_metrics(metrics)
        uri = register(model, test, arguments.registered_model)
        share = score(spark, uri, test)
        mlflow.log_metric("scored/accuracy", share)
        print(
            f"run {run.info.run_id}: {best} is {uri}, and gets {share:.1%} of the test rows right as a function of Spark"
        )
    spark.stop()


if __name__ == "__main__":
    main()
