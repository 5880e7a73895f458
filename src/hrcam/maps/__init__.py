"""From the head and the feature maps to the maps of an image.

``fit`` learns in ``training_passes`` (passes over the images), ``moments``, ``fusion_fit`` and
``sensitivity_fit``. ``explain`` runs ``reading`` (one forward pass, contracted with ``weights``)
and ``assembly``: ``fusion`` of the levels, times the ``sensitivity``, then ``refine``.
"""
