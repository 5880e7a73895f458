"""Run a user's model and leave it exactly as it was.

``inputs`` checks images, labels and classes; ``batches`` splits what a loader yields. ``call`` runs
the model and finds the logits in its output; ``hooks`` observes its modules; ``unchanged`` leaves
it as it was; ``kinds`` tells models whose modules cannot be observed. ``tensors`` handles tensors
in nested structures.
"""
