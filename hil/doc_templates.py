"""docs/point-templates.md: every shipped template with its points; ``tests/meta`` compares the two."""

from __future__ import annotations

from hil.paths import config_dir
from hil.point_schema import Template, read_template
from rtcore.errors import Problem, UserInputError

HEAD = """# Point templates

Made from `config/points/templates` (`hil/doc_templates.py`). A row of a `devices.csv` places a device by
one of them ([point lists](points.md)); `gridhil points` prints the finished map of a station.

| template | is | points |
| --- | --- | --- |
"""

SHOWN = 24
"""How many points of a template are named; forecasts have hundreds of one kind."""


def point_templates_md() -> str:
    """Return docs/point-templates.md."""
    problems: list[Problem] = []
    rows = []
    for path in sorted((config_dir() / "points" / "templates").glob("*.toml")):
        template = read_template(path, path.stem, problems)
        if template is not None:
            rows.append(_row(path.stem, template))
    if problems:
        raise UserInputError(problems)
    return HEAD + "\n".join(rows) + "\n"


def _row(name: str, template: Template) -> str:
    names = [f"`{point.name}`" for _, point in template.rows]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    about = template.description.replace("|", "\\|")
    return f"| `{name}` | {about} | {' '.join(names[:SHOWN])}{more} |"
