"""What tests do with a page of maps in a browser."""

import numpy as np

PIXELS = """canvas => {
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return { width: canvas.width, data: [...data] };
}"""
DRAWN = """() => [...document.querySelectorAll(".card:not([hidden])")].every(card =>
  card.getAttribute("aria-busy") === "false")"""


def pixels(page, selector):
    page.wait_for_function(DRAWN)
    found = page.eval_on_selector(selector, PIXELS)
    return np.array(found["data"]).reshape(-1, found["width"], 4)[..., :3]


def canvas(card, pane):
    return f"#scans .card:nth-of-type({card}) .plane:nth-of-type({pane}) canvas"


def readout(page, card):
    page.wait_for_function(DRAWN)
    return page.text_content(f"#scans .card:nth-of-type({card}) .readout")


def readout_after(page, card, before):
    """Wait until the page has taken the last movement, and return what it says of it."""
    page.wait_for_function(
        """([card, before]) => document.querySelector(
            `#scans .card:nth-of-type(${card}) .readout`).textContent !== before""",
        arg=[card, before],
    )
    return readout(page, card)


def show(page, selector):
    """Bring a plane to the screen, and wait until its card, which is then drawn, is ready."""
    page.locator(selector).scroll_into_view_if_needed()
    # The page learns what is on the screen with the next frame.
    page.evaluate("() => new Promise(next => requestAnimationFrame(() => setTimeout(next, 50)))")
    page.wait_for_function(DRAWN)


def slide(page, name, value):
    page.eval_on_selector(
        f"#scans input[name={name}]",
        """(input, value) => {
          input.value = value;
          input.dispatchEvent(new Event("input", { bubbles: true }));
        }""",
        value,
    )


def names(page):
    return page.eval_on_selector_all(
        "#scans .card", "cards => cards.filter(c => c.offsetParent).map(c => c.dataset.name)"
    )
