"""Make a method by the arguments that most of them take."""

from hrcam.baselines import FullGrad


def tool_of(method, model, levels="auto", **options):
    """Make a method; FullGrad reads all layers with a bias, whichever levels others read."""
    return method(model, **options) if method is FullGrad else method(model, levels, **options)
