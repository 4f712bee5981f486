"""Transformers of a user's, in Python."""

from __future__ import annotations

from typing import Any

from pyspark import keyword_only
from pyspark.ml import Transformer
from pyspark.ml.param.shared import HasInputCol, HasOutputCol
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable


class Doubler(Transformer, HasInputCol, HasOutputCol, DefaultParamsReadable, DefaultParamsWritable):
    @keyword_only
    def __init__(self, inputCol: str | None = None, outputCol: str | None = None) -> None:  # noqa: N803
        super().__init__()
        self._set(**self._input_kwargs)

    def _transform(self, dataset: Any) -> Any:
        return dataset.withColumn(self.getOutputCol(), dataset[self.getInputCol()] * 2)


class Unwritable(Transformer):
    def _transform(self, dataset: Any) -> Any:
        return dataset
