"""The directive ``refusal-reasons``: what `hrcam check` finds, taken from the program."""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from hrcam.cohort.reasons import EXPLANATIONS


class RefusalReasons(SphinxDirective):
    """A table of every reason: its code, what it means, what to do."""

    def run(self) -> list[nodes.Node]:
        """Return the nodes."""
        lines = ["| code | what is wrong | what to do |", "|---|---|---|"]
        lines += [
            f"| `{reason}` | {_cell(words.meaning)} | {_cell(words.advice)} |"
            for reason, words in EXPLANATIONS.items()
        ]
        return self.parse_text_to_nodes("\n".join(lines))


def _cell(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "\\|*_`<>" else letter for letter in text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("refusal-reasons", RefusalReasons)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
