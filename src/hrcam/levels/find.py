"""Find the levels: the last feature map of each resolution between a model's input and output."""

import difflib
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from math import prod

import torch
from torch import nn

from hrcam.errors import HRCAMWarning, LevelError
from hrcam.levels.candidates import Candidate, Verifier, candidates_in
from hrcam.levels.dry_run import RecordedMap, dry_run
from hrcam.levels.layout import Layout
from hrcam.levels.level import Level, Levels
from hrcam.model.call import Images
from hrcam.model.inputs import check_images, warn_of_several_images
from hrcam.model.kinds import check_readable
from hrcam.model.wrappers import unwrapped, without_wrappers

# Sizes within this ratio on every axis are one resolution: convolutions without padding lose a
# few voxels, a stride of two halves the size.
SAME_RESOLUTION = 1.5
_MOST_COLOURS = 4
_VIDEO = (
    "\nif the images are (B, T, C, H, W), such as videos: let the model take (B, C, T, H, W), "
    "since the second axis holds the channels, and the others the places"
)
# If this many maps of one size turn out to be no feature maps, so do the others.
_TRIES = 3


def find_levels(
    model: nn.Module,
    images: Images,
    names: Sequence[str] | None = None,
    output: str | int | None = None,
    image: str | int | None = None,
) -> Levels:
    """Find the last feature map of each resolution, by a dry run on the first image.

    A map counts if it has a position for each place of the image, whatever the order of its axes
    (channels first or last, or tokens), if it was computed by a convolution or a matrix product,
    and if the output depends on it. Its positions are followed through the operations of the
    model; where that is not possible, gradients measure where they lie. Maps of nearly the same
    size (convolutions without padding) count as one resolution.

    Parameters
    ----------
    model
        Any module from images to an output; left as it was. A compiled or parallel model is read
        without its wrapper.
    images
        A batch that the model takes; its first image is used.
    names
        Names of modules, or of levels as printed, to read instead.
    output
        Key or index of the logits, where the model returns several things.
    image
        Key or index of the image to map, where the model takes several; None for the first.

    Returns
    -------
    Levels from the coarsest to the finest.

    Raises
    ------
    LevelError
        If the model has no feature map, or none of a given name, or if its modules cannot be
        observed (TorchScript, exported, quantised).
    InputError
        If the images cannot be used.

    Warns
    -----
    HRCAMWarning
        If the model takes several images and ``image`` is None, or if a resolution is left out
        because it is not known where its positions lie.
    """
    check_images(images, model)
    if names is not None and not isinstance(names, str):
        names = [without_wrappers(name, model) for name in names]
    model = unwrapped(model)
    check_readable(model)
    if image is None:
        warn_of_several_images(images)
    mapped, seen = dry_run(model, images, output, image)
    candidates = candidates_in(seen, tuple(mapped.shape[2:]))
    verifier = Verifier(model, images, mapped, candidates, output)
    runs = _runs(seen)
    if names is not None:
        if isinstance(names, str) or not names:
            raise LevelError("levels must be 'auto' or a list of at least one module name")
        named = {name: _named(model, name, candidates, runs) for name in names}
        chosen = [_verified_name(name, one, verifier) for name, one in named.items()]
    else:
        chosen, unread = _last_of_each_resolution(candidates, verifier)
        if not chosen:
            raise LevelError(_no_levels(mapped, seen, verifier))
        _warn_of_unread(unread, chosen)
    levels = [_level(one, mapped, runs) for one in chosen]
    levels.sort(key=lambda level: prod(level.size))
    return Levels(levels, image, [] if names is not None else verifier.refused)


def _no_levels(image: torch.Tensor, seen: Sequence[RecordedMap], verifier: Verifier) -> str:
    shown = verifier.refused or [f"{one.module or 'model'}: {one.shape}" for one in seen]
    listed = "\n".join(f"  {one}" for one in shown[:20])
    return (
        f"the model has no feature map with {image.ndim - 2} spatial axes between its input "
        "and its output, and HR-CAM needs a convolutional network, or one of tokens in a grid; "
        + (f"maps found:\n{listed}" if listed else "no such tensor was found at all")
        + (_VIDEO if image.ndim == 5 and image.shape[2] <= _MOST_COLOURS else "")
    )


def _warn_of_unread(unread: Sequence[Candidate], chosen: Sequence[Candidate]) -> None:
    """Warn of resolutions that have no level, though there are feature maps of them."""
    lost = {
        one.size: one.record.module
        for one in unread
        if not any(_same_resolution(one.size, level.size) for level in chosen)
    }
    if lost:
        named = ", ".join(
            f"{' × '.join(map(str, size))} ({module or 'model'})" for size, module in lost.items()
        )
        warnings.warn(
            "there is no level of these sizes, as it is not known where their positions lie: "
            f"{named}. Larger images may tell, as positions see less of the whole there; "
            "find_levels(model, images) prints the reasons",
            HRCAMWarning,
            stacklevel=3,
        )


def _last_of_each_resolution(
    candidates: Sequence[Candidate], verifier: Verifier
) -> tuple[list[Candidate], list[Candidate]]:
    """Return the levels, and a feature map of each size of which none could be read."""
    # Padded copies of a map are not levels.
    maps = [one for one in candidates if "Pad" not in type(one.record.node).__name__]
    # A map that later modules only pass on is named after the module that computed it, or after
    # the outermost parent that returns it.
    makers: dict[object, Candidate] = {}
    for one in maps:
        record = one.record
        maker = makers.setdefault((record.tensor, record.node, one.layout), one)
        if maker.record.module.startswith(f"{record.module}.") and not record.at_input:
            makers[record.tensor, record.node, one.layout] = one
    unread: list[Candidate] = []
    while maps:
        chosen: list[Candidate] = []
        for size in _resolutions(maps):
            here = [one for one in maps if one.size == size]
            named = [makers[one.record.tensor, one.record.node, one.layout] for one in here]
            found = _last_verified(named, verifier)
            if found is None:
                unread += [one for one in here if _is_computed_in_place(one)][-1:]
                maps = [one for one in maps if one.size != size]
                break
            chosen.append(found)
        else:
            return chosen, unread
    return [], unread


def _is_computed_in_place(one: Candidate) -> bool:
    """Whether a tensor was followed from the image, or a convolution made it: it is a map."""
    return one.feature_grid is not None or "Convolution" in type(one.record.node).__name__


def _resolutions(maps: Sequence[Candidate]) -> list[tuple[int, ...]]:
    """Return the sizes that represent the resolutions.

    The most frequent size represents a resolution; of equally frequent ones, the later.
    """
    count = Counter(one.size for one in maps)
    order = {one.size: index for index, one in enumerate(maps)}
    resolutions: list[tuple[int, ...]] = []
    for size in sorted(count, key=lambda size: (count[size], order[size]), reverse=True):
        if not any(_same_resolution(size, other) for other in resolutions):
            resolutions.append(size)
    return resolutions


def _last_verified(maps: Sequence[Candidate], verifier: Verifier) -> Candidate | None:
    """Return the last of some maps that is a feature map.

    If the last is none, as where only the class token of a transformer is used in the end, the
    others of its width are tried first: they are what its blocks return.
    """
    width, tries = maps[-1].channels, 0
    for one in sorted(dict.fromkeys(reversed(maps)), key=lambda one: one.channels != width):
        if not verifier.has_influence(one):
            continue
        found = verifier.verify(one)
        if found is not None:
            return found
        tries += 1
        if tries == _TRIES:
            break
    return None


def _same_resolution(size: Sequence[int], other: Sequence[int]) -> bool:
    return all(max(a, b) < SAME_RESOLUTION * min(a, b) for a, b in zip(size, other, strict=True))


def _runs(seen: Iterable[RecordedMap]) -> dict[tuple[str, bool], int]:
    runs: dict[tuple[str, bool], int] = {}
    for one in seen:
        key = (one.module, one.at_input)
        runs[key] = max(runs.get(key, 0), one.run + 1)
    return runs


def _name(one: RecordedMap, runs: dict[tuple[str, bool], int]) -> str:
    name = one.module + (":input" if one.at_input else "")
    if runs[one.module, one.at_input] > 1:
        name += f"#{one.run + 1}"
    if one.items > 1:
        name += f"[{one.item}]"
    return name


def _level(one: Candidate, image: torch.Tensor, runs: dict[tuple[str, bool], int]) -> Level:
    record, layout = one.record, one.layout
    stride = tuple(whole / part for whole, part in zip(image.shape[2:], one.size, strict=True))
    return Level(
        _name(record, runs),
        record.module,
        one.channels,
        one.size,
        stride,
        record.at_input,
        record.run,
        record.item,
        one.feature_grid,
        None if layout == Layout(tuple(range(image.ndim))) else layout,
    )


def _verified_name(name: str, candidates: Sequence[Candidate], verifier: Verifier) -> Candidate:
    for one in candidates:
        found = verifier.verify(one) if verifier.has_influence(one) else None
        if found is not None:
            return found
    raise LevelError(
        f"what the module {name!r} returns is no feature map of the image: "
        f"{verifier.refused[-1]}; find_levels(model, images) prints those that are"
    )


def _named(
    model: nn.Module,
    name: str,
    candidates: Sequence[Candidate],
    runs: dict[tuple[str, bool], int],
) -> list[Candidate]:
    """Return the candidates for one name: the possible layouts of one tensor."""
    exact = [one for one in candidates if _name(one.record, runs) == name]
    last = [one for one in candidates if one.record.module == name and not one.record.at_input]
    if exact or last:
        record = (exact or last)[-1].record
        return [one for one in candidates if one.record is record]
    modules = [module for module, _ in model.named_modules() if module]
    if name in modules:
        raise LevelError(
            f"the module {name!r} returns no feature map between the input and the output: "
            "find_levels(model, images) prints those that do"
        )
    close = difflib.get_close_matches(name, modules, n=3)
    raise LevelError(
        f"the model has no module {name!r}: "
        + (f"did you mean {', '.join(map(repr, close))}?" if close else "")
        + (" " if close else "")
        + "model.named_modules() lists them all"
    )
