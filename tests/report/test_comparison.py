import sys

import matplotlib
import numpy as np
import pytest

from hrcam.errors import InputError
from hrcam.report.figures.comparison import comparison_figure
from hrcam.report.figures.planes import Row, shown_plane
from hrcam.report.figures.style import png, save_png

RNG = np.random.default_rng(0)


def row(label="sub-01", shape=(20, 30), gain=1.0, **changes):
    signed = gain * RNG.normal(size=shape)
    maps = {"pattern": signed, "LayerCAM": np.abs(signed)}
    return Row(**{"label": label, "image": RNG.random(shape), "maps": maps, **changes})


def axes_of(figure):
    return {axes.get_label(): axes for axes in figure.axes}


def limits_of(axes):
    return axes.images[-1].get_clim()


def test_one_row_per_subject_and_one_column_per_method():
    figure = comparison_figure([row("sub-01"), row("sub-02", shape=(25, 25))])
    assert list(axes_of(figure)) == [
        *("image 0", "pattern 0", "LayerCAM 0"),
        *("image 1", "pattern 1", "LayerCAM 1"),
        *("pattern scale", "LayerCAM scale"),
    ]
    assert [text.get_text() for text in figure.texts] == [
        *("Image", "pattern", "LayerCAM"),
        *("sub-01", "sub-02"),
    ]
    assert [len(axes.images) for axes in figure.axes[:3]] == [1, 2, 2]


def test_all_that_is_drawn_lies_inside_the_figure():
    long = "a method whose name is longer than any column could ever be wide, and then some"
    rows = [row(long, maps={long: RNG.random((20, 30)), "b": RNG.random((20, 30))})] * 2
    figure = comparison_figure(rows)
    figure.canvas.draw()
    for artist in (*figure.texts, *figure.axes):
        box = artist.get_tightbbox(figure.canvas.get_renderer())
        assert 0 <= box.x0 < box.x1 <= figure.bbox.width
        assert 0 <= box.y0 < box.y1 <= figure.bbox.height


def test_limits_are_symmetric_for_signed_maps_and_shared_between_rows():
    rows = [row(gain=5.0), row(gain=0.1)]
    axes = axes_of(comparison_figure(rows))
    largest = np.abs(rows[0].maps["pattern"]).max()
    for index in (0, 1):
        assert limits_of(axes[f"pattern {index}"]) == pytest.approx((-largest, largest))
        assert limits_of(axes[f"LayerCAM {index}"]) == pytest.approx((0, largest))
    assert axes["pattern scale"].get_xlim() == pytest.approx((-largest, largest))
    assert axes["LayerCAM scale"].get_xticklabels()[0].get_text() == "0"


def test_zero_shows_the_image_itself():
    axes = axes_of(comparison_figure([row()]))
    for name in ("pattern", "LayerCAM"):
        overlay = axes[f"{name} 0"].images[-1]
        assert overlay.to_rgba(np.zeros(1))[0, 3] == pytest.approx(0, abs=0.01)
        assert overlay.to_rgba(np.array([overlay.get_clim()[1]]))[0, 3] > 0.9


def test_limits_can_be_those_of_the_cohort():
    axes = axes_of(comparison_figure([row()], limits={"pattern": 40.0}))
    assert limits_of(axes["pattern 0"]) == (-40, 40)


def test_a_map_of_zeros_is_drawn():
    figure = comparison_figure([row(maps={"CAM": np.zeros((20, 30))})])
    assert limits_of(axes_of(figure)["CAM 0"]) == (0, 1)


def test_the_truth_is_outlined_in_every_panel_also_at_the_border():
    truth = np.zeros((20, 30), bool)
    truth[:5, 10:15] = True
    figure = comparison_figure([row(truth=truth), row(truth=np.zeros((20, 30), bool)), row()])
    panels = list(axes_of(figure).items())[:9]
    for name, axes in panels:
        assert bool(axes.collections) == name.endswith(" 0")
        assert axes.get_xlim() == (-0.5, 29.5)
        assert axes.get_ylim() == (19.5, -0.5)
    (path,) = panels[0][1].collections[0].get_paths()
    np.testing.assert_array_equal(path.vertices[0], path.vertices[-1])


def test_a_volume_is_shown_where_the_truth_is_largest():
    truth = np.zeros((8, 9, 10), bool)
    truth[3, 3, 2] = truth[2:4, 3:5, 6] = True
    volume = row(shape=truth.shape, truth=truth)
    plane = shown_plane(volume)
    # Radiological convention: both in-plane axes run backwards.
    np.testing.assert_array_equal(plane.image, volume.image[::-1, ::-1, 6].T)
    np.testing.assert_array_equal(plane.truth, truth[::-1, ::-1, 6].T)
    assert plane.axial
    figure = comparison_figure([volume])
    shown = axes_of(figure)["pattern 0"].images[-1].get_array()
    np.testing.assert_array_equal(shown, volume.maps["pattern"][::-1, ::-1, 6].T)
    assert [text.get_text() for text in axes_of(figure)["image 0"].texts] == ["R", "L"]


def test_a_volume_without_truth_is_shown_where_the_first_map_is_highest():
    first, second = np.zeros((8, 9, 10)), np.zeros((8, 9, 10))
    first[1, 1, 7], second[1, 1, 3] = 1, 5
    volume = row(shape=(8, 9, 10), maps={"a": first, "b": second}, truth=first > 2)
    plane = shown_plane(volume)
    np.testing.assert_array_equal(plane.maps["b"], second[::-1, ::-1, 7].T)
    assert plane.truth is None
    bare = row(shape=(8, 9, 10), maps={})
    np.testing.assert_array_equal(shown_plane(bare).image, bare.image[::-1, ::-1, 5].T)


def test_panels_have_the_proportions_of_the_tissue():
    assert shown_plane(row(shape=(20, 30), spacing=(3.0, 1.0))).height == 2
    assert shown_plane(row(shape=(10, 20, 5), spacing=(2.0, 1.0, 9.0))).height == 1
    figure = comparison_figure([row(shape=(20, 30), spacing=(3.0, 1.0))])
    figure.canvas.draw()
    box = axes_of(figure)["image 0"].get_window_extent()
    assert box.height / box.width == pytest.approx(2, rel=0.01)


@pytest.mark.parametrize("broken", [r"$\frac{1}$ <script>", "not \udce9 UTF-8", ""])
def test_any_name_is_drawn_as_it_is(broken):
    assert png(comparison_figure([row(broken, maps={broken: np.ones((20, 30))})]), dpi=40)


def test_pyplot_is_left_alone_and_files_are_reproducible(tmp_path):
    def open_figures():
        return plt.get_fignums() if (plt := sys.modules.get("matplotlib.pyplot")) else []

    before, opened = dict(matplotlib.rcParams), open_figures()
    figure = comparison_figure([row()])
    path = save_png(figure, tmp_path / "new" / "maps.png", dpi=40)
    assert path.read_bytes() == png(figure, dpi=40)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert b"http" not in path.read_bytes()
    assert dict(matplotlib.rcParams) == before
    assert open_figures() == opened


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": np.zeros(5)}, "2D or 3D"),
        ({"maps": {"CAM": np.zeros((3, 3))}}, "CAM has shape"),
        ({"maps": {"CAM": np.full((20, 30), np.nan)}}, "CAM has values that are NaN"),
        ({"image": np.zeros((20, 30), bool)}, "image holds bool"),
        ({"truth": np.zeros((20, 30))}, "truth must be bool"),
        ({"truth": np.zeros((3, 3), bool)}, "truth must be bool"),
        ({"spacing": (1.0,)}, "spacing"),
        ({"spacing": (1.0, 0.0)}, "spacing"),
    ],
)
def test_refuses_a_row(changes, message):
    with pytest.raises(InputError, match=f"sub-01: .*{message}"):
        row(**changes)


def test_refuses_a_comparison():
    with pytest.raises(InputError, match="at least one row"):
        comparison_figure([])
    with pytest.raises(InputError, match="sub-02 has maps of"):
        comparison_figure([row(), row("sub-02", maps={})])
    with pytest.raises(InputError, match="limit"):
        comparison_figure([row()], limits={"pattern": 0.0})
    with pytest.raises(InputError, match="limit"):
        comparison_figure([row()], limits={"CAM": 1.0})
