"""The linear head over the pooled features of all levels.

``fit`` standardises the features and fits the head with one of the ``linear_models``;
``covariance`` gives the pattern of each class; ``quality`` warns of a poor fit.
"""
