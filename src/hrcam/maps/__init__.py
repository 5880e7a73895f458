"""From the head and the feature maps to the maps of an image.

``fit`` takes the ``pooled_features``, then learns ``fusion_fit`` (with ``moments``) and
``sensitivity_fit`` in further ``training_passes``. ``explain`` runs ``forward`` (one forward pass,
contracted with ``weights``) and ``assembly``: ``fusion`` of the levels, times the ``sensitivity``,
then ``refine``.
"""
