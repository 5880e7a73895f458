"""The page of a comparison."""

from collections.abc import Mapping

import numpy as np

from hrcam.group.clusters import Cluster
from hrcam.group.comparison import Comparison
from hrcam.group.permutation import ALPHA, FORMING
from hrcam.group.template_space import MNI
from hrcam.report.figures.colour import Scale
from hrcam.report.figures.style import new_figure, png
from hrcam.report.page.content import Page, Picture, Section, Table

_MOST_ROWS = 20
_PLANES = ("sagittal", "coronal", "axial")


def group_page(found: Comparison, versions: Mapping[str, str]) -> Page:
    """Return the page with the conclusion, a picture, the clusters and the method."""
    first, second = found.groups.names
    return Page(
        title=f"Maps of {first} and {second} compared",
        summary=_conclusion(found),
        sections=(
            Section(
                "Where the maps differ",
                paragraphs=(
                    f"t of the group, positive (warm) where the maps of {first} are higher. The "
                    "outline is what is significant, by voxel or by cluster; the planes cross at "
                    "the largest t.",
                ),
                pictures=(
                    Picture(_picture(found), "Three planes of the t map, over the mean map."),
                ),
                table=_table(found),
                note=_note(found),
            ),
            _method(found),
        ),
        versions=versions,
        seed=found.seed,
    )


def significant(clusters: tuple[Cluster, ...]) -> tuple[Cluster, ...]:
    """Return the clusters that are significant by their size or by their peak."""
    return tuple(one for one in clusters if min(one.cluster_p, one.peak_p) < ALPHA)


def _conclusion(found: Comparison) -> str:
    first, second = found.groups.names
    sure = significant(found.clusters)
    counts = (
        f"{found.groups.count(first)} participants of {first}, "
        f"{found.groups.count(second)} of {second}"
    )
    given = f", given {', '.join(found.covariates)}" if found.covariates else ""
    if not sure:
        return (
            f"{counts}{given}: no significant difference between their maps of the class "
            f"{found.groups.of_class}, with a family-wise error of {ALPHA:.0%}. That is no "
            "evidence of equal maps."
        )
    best = sure[0]
    place = ", ".join(f"{value:.0f}" for value in best.peak)
    return (
        f"{counts}{given}: their maps of the class {found.groups.of_class} differ in "
        f"{len(sure)} {'cluster' if len(sure) == 1 else 'clusters'}, with a family-wise error of "
        f"{ALPHA:.0%}. The surest is higher in {best.higher_in}, {best.volume:.0f} mm³ with its "
        f"peak at ({place}) mm, p = {min(best.cluster_p, best.peak_p):.4f}."
    )


def _table(found: Comparison) -> Table | None:
    if not found.clusters:
        return None
    in_mni = found.space.name.startswith(MNI)
    headers = ["Cluster", "Higher in", "Peak (mm)", "mm³", "t", "g", "p, size", "p, peak"]
    rows = []
    for one in found.clusters[:_MOST_ROWS]:
        row = [
            str(one.number),
            one.higher_in,
            ", ".join(f"{value:.0f}" for value in one.peak),
            f"{one.volume:.0f}",
            f"{one.t:.2f}",
            f"{one.effect:.2f}",
            f"{one.cluster_p:.4f}",
            f"{one.peak_p:.4f}",
        ]
        if one.nearest is not None:
            row.append(f"{one.nearest[0]} ({one.nearest[1]:.0f} mm)")
        rows.append(tuple(row))
    if in_mni:
        headers.append("Nearest region's centre")
    shown = f"; the first {_MOST_ROWS} of {len(found.clusters)}" * (
        len(found.clusters) > _MOST_ROWS
    )
    return Table(tuple(headers), tuple(rows), (3, 4, 5, 6, 7), f"Clusters by their p{shown}")


def _note(found: Comparison) -> str:
    return (
        "A difference of maps is a difference in what these networks look at, with the images "
        "that they were given. It is no test of the tissue itself: test the images for "
        "that. Effects at peaks are overestimates."
        if found.clusters
        else "No voxel is beyond the threshold that forms clusters."
    )


def _method(found: Comparison) -> Section:
    groups, design = found.groups, found.design
    left_out = len(groups.excluded)
    return Section(
        "Method",
        points=(
            f"Maps: patterns of the class {groups.of_class}, by networks that had not learnt from "
            f"the scan, in the space {found.space.name}; maps of one participant averaged. "
            f"{left_out} scans were left out: excluded.tsv says why.",
            f"Model: map ~ group{''.join(f' + {name}' for name in design.names)}, "
            f"{design.degrees_of_freedom} degrees of freedom, in {int(found.test.mask.sum()):,} "
            "voxels whose map is not 0 in at least a quarter of the participants.",
            f"Test: {found.permutations:,} permutations by the scheme of Freedman and Lane "
            "(nilearn's permuted_ols), two-sided. Family-wise error is controlled over voxels by "
            "the largest absolute t, and over clusters by the largest size; clusters are voxels "
            f"that share faces with p < {FORMING} uncorrected. The smallest p possible is "
            f"{1 / found.permutations:.2g}.",
            "Folds are among the confounds, as the networks of different folds scale their maps "
            "differently."
            if any(name.startswith("fold ") for name in design.names)
            else "All maps were made by the same networks.",
        ),
    )


def _picture(found: Comparison) -> bytes:
    test = found.test
    peak = np.unravel_index(int(np.abs(test.t).argmax()), test.t.shape)
    limit = max(float(np.abs(test.t).max()), 1.0)
    sure = (test.voxel_p < ALPHA) | (test.cluster_p < ALPHA)
    spacing = np.linalg.norm(found.space.affine[:3, :3], axis=0)
    figure = new_figure(10, 3.6)
    figure.set_layout_engine("constrained")
    # Of a slice there is one plane to show.
    shown = [axis for axis in range(3) if min(np.delete(test.t.shape, axis)) > 1]
    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    for axis, axes in zip(shown, panels, strict=True):
        across = [one for one in range(3) if one != axis]
        image, values, outline = (
            np.take(array, peak[axis], axis).T for array in (found.mean, test.t, sure)
        )
        axes.imshow(
            image, cmap="gray", origin="lower", aspect=spacing[across[1]] / spacing[across[0]]
        )
        colours = axes.imshow(
            values,
            cmap=Scale(signed=True, limit=limit).colormap,
            vmin=-limit,
            vmax=limit,
            alpha=np.clip(np.abs(values) / limit, 0, 1),
            origin="lower",
            aspect=spacing[across[1]] / spacing[across[0]],
        )
        if outline.any():
            axes.contour(outline, [0.5], colors="lime", linewidths=1)
        axes.set_title(f"{_PLANES[axis]}, voxel {peak[axis]}", fontsize=10)
        axes.axis("off")
    figure.colorbar(colours, ax=panels, label="t")
    return png(figure)
