"""axe-core, which finds violations of the accessibility rules on a page."""

from pathlib import Path
from typing import Literal

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
EVERY_RULE = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
CONTRAST = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
RULES: dict[Literal["light", "dark"], object] = {"light": EVERY_RULE, "dark": CONTRAST}
"""In dark mode only the colours of a page differ."""
RUN = """rules => axe.run(document, {runOnly: rules, resultTypes: ["violations"]}).then(found => found.violations.map(
  violation => `${violation.id}: ${violation.nodes.map(node => node.target.join(" ")).join(", ")}`))"""
