"""Group statistics of maps in one template space: voxel-wise and cluster-wise permutation tests."""

from hrcam.errors import require

require(__name__, "group", "jinja2", "matplotlib", "nibabel", "nilearn")

from hrcam.group.job import compare_groups

__all__ = ["compare_groups"]
