"""What hrcam raises: each message says what was wrong, where, and what to do."""


class HRCAMError(Exception):
    """Base of every error that hrcam raises on purpose."""


class InputError(HRCAMError, ValueError):
    """Images, labels, classes or options that cannot be used as they are."""


class LevelError(HRCAMError, ValueError):
    """A model without usable feature maps, or a level that is not where it was said to be."""


class GradientError(HRCAMError, ValueError):
    """A model that no gradient can pass, where a method needs one."""


class TrainingError(HRCAMError, RuntimeError):
    """A training that cannot come to anything any more."""


class FitError(HRCAMError, ValueError):
    """Data from which no head can be learnt: empty, one class only, a class without images."""


class NotFittedError(HRCAMError, RuntimeError):
    """Something was asked for that only ``fit`` can make."""


class LoadError(HRCAMError, ValueError):
    """A saved explainer that is damaged, or that does not belong to this model."""


class HRCAMWarning(UserWarning):
    """Base of every warning that hrcam gives."""
