"""From the head and the feature maps to the maps of an image.

``fit`` takes the ``pooled_features``, then learns ``deviation_fit`` and ``sensitivity_fit`` in
further ``training_passes``. ``explain`` runs ``forward`` (one forward pass, contracted with
``weights``) and ``assembly``: the ``deviation`` of the levels times the ``sensitivity``, each
summed by ``level_sum``, then ``refine``.
"""
