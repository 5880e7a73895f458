"""Every file that a job leaves on disk: one writer and one reader each.

A run: ``run_folder``, ``run_tables``, ``network_weights``, ``manifest``; ``cache`` holds what was
decoded for it. Maps: ``maps_folder``, ``maps_tables``, ``scan_record``. Checks of maps:
``sanity_record`` holds ``check_results``. Scans without a result: ``refusals``. All are written by
``atomic`` into folders taken by ``claim``, in the ``formats`` that have a version; docs/files.md
describes them.
"""
