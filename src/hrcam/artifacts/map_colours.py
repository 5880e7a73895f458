"""The colours of every map, from weak to strong: warm speaks for the class, cold against it."""

WARM = ("#d7191c", "#f4511e", "#fb8c00", "#fdc835", "#ffe95c")
COLD = ("#1747c9", "#1976e8", "#22a2f5", "#5fd0fb", "#9be9ff")
OPACITY = 0.92
"""Of the strongest colour; zero is transparent and shows the image itself."""


def channels_of(colours: tuple[str, ...]) -> list[tuple[int, ...]]:
    """Return red, green and blue of each colour, 0 to 255."""
    return [tuple(int(colour[place : place + 2], 16) for place in (1, 3, 5)) for colour in colours]
