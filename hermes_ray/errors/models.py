"""Models that cannot be loaded, and benchmarks that cannot measure them."""

from hermes_ray.errors.base import HermesError


class DatasetError(HermesError):
    """A public benchmark's annotations or videos are missing or not as published, or its judge does not answer."""

    code = "dataset"


class NotMeasurable(HermesError):
    """A benchmark cannot tell what it was asked for with this model or these sizes."""

    code = "not-measurable"


class ModelError(HermesError):
    """A model cannot be loaded or used."""

    code = "model"


class UnsupportedModel(ModelError):
    """The model belongs to a family that has no adapter."""

    code = "unsupported-model"


class MissingWeights(ModelError):
    """There are no weights at the given name or path."""

    code = "missing-weights"
