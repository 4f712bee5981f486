"""The data: chemical analyses of 178 wines from three cultivars, as scikit-learn ships them, in a Spark frame."""

from sklearn.datasets import load_wine

TARGET = "cultivar"


def load(spark):
    """All rows; the target is a number from 0 to 2, all else are doubles."""
    table = load_wine(as_frame=True).frame.rename(columns={"target": TARGET})
    table.columns = [name.replace("/", "_per_") for name in table.columns]
    return spark.createDataFrame(table.astype("float64"))


def prepare(frame):
    """Rows without gaps, and one column more: how much of the phenols are flavanoids."""
    from pyspark.sql import functions as f

    return frame.dropna().withColumn("flavanoid_share", f.col("flavanoids") / f.col("total_phenols"))


def split(frame, test_fraction, seed):
    """Train and test rows, kept in memory: both are read more than once."""
    train, test = frame.randomSplit([1 - test_fraction, test_fraction], seed=seed)
    return train.cache(), test.cache()
