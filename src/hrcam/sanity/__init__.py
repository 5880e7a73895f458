"""Sanity checks of maps: do they depend on what was learnt, and are they stable.

``run_checks`` checks the maps of one network, ``check_folder`` those of a folder of maps;
``limits`` says what passes. ``model_free_bounds`` compares with maps that need no model, by masks
where there are some. ``untrained_networks`` compares with the maps of randomised networks,
``stability`` with those of changed images and of other networks. ``parameter_randomisation`` is the
test of the literature for any method, on a model whose weights ``random_weights`` randomises.
``batched_maps`` maps many images.
"""
