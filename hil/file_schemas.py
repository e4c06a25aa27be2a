"""JSON Schemas of the files that people write, for editors; ``python -m hil.file_schemas`` makes them.

They stand in ``config/schemas`` and come from the sections that the readers check with. What a section takes
in several forms and turns into another (``"20 s"`` into nanoseconds) is anything here: ``gridhil check``
has the last word.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Union

import pydantic
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from hil import attack_sections, scenario_sections, wiring_sections
from hil.cyberrange import schema as range_sections
from hil.fault_library import FORMAT, NamedFault
from hil.paths import config_dir
from hil.relaytest import schema as relaytest_sections
from hil.settings_errors import Section
from hil.settings_sections import PlantTables
from hil.telemetry_files import TelemetryFile

RENAMED = {"from_": "from"}
"""Keys that no Python field can be called."""


class _Forgiving(GenerateJsonSchema):
    """Leaves open what is read in several forms."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        return {}

    def function_wrap_schema(self, schema: core_schema.WrapValidatorFunctionSchema) -> JsonSchemaValue:
        return {}

    def function_plain_schema(self, schema: core_schema.PlainValidatorFunctionSchema) -> JsonSchemaValue:
        return {}


def _file(title: str, **tables: Any) -> type[pydantic.BaseModel]:
    """Return the model of a file from its tables: (type, default) or a type that must be there."""
    fields = {key: table if isinstance(table, tuple) else (table, ...) for key, table in tables.items()}
    return pydantic.create_model(title, __base__=Section, **fields)  # type: ignore[call-overload,no-any-return]


def models() -> dict[str, type[pydantic.BaseModel]]:
    """Return the model of each kind of file, by the name of its schema."""
    sc, rt, rg, at = scenario_sections, relaytest_sections, range_sections, attack_sections
    test: Any = Union[tuple(rt.KINDS.values())]  # noqa: UP007 - the tuple is known at run time alone
    anything: Any = dict[str, Any]
    return {
        "scenario": _file(
            "Scenario",
            scenario=sc.ScenarioSection,
            plant=(PlantTables, {}),
            set=(anything, {}),
            event=(list[sc.EventSection], []),
            **{"assert": (list[sc.AssertSection], [])},
            record=(sc.RecordSection | None, None),
        ),
        "relaytest": _file(
            "RelayTestPlan",
            plan=rt.PlanSection,
            device=(rt.DeviceSection | None, None),
            outputs=(rt.OutputsSection | None, None),
            settings=(rt.SettingsSection | None, None),
            tolerance=(rt.ToleranceSection | None, None),
            connection=(rt.ConnectionSection | None, None),
            test=list[test],
        ),
        "wiring": wiring_sections.WiringFile,
        "attacks": _file("Attacks", attacks=at.AttacksSection, attack=list[at.AttackSection]),
        "cyberrange": _file(
            "RangePlan",
            range=rg.RangeSection,
            clean=(rg.CleanSection | None, None),
            attacked=(rg.AttackedSection | None, None),
            set=(anything, {}),
            attack=(list[rg.AttackSection], []),
            expect=(list[rg.ExpectSection], []),
        ),
        "telemetry": TelemetryFile,
        "faults": _file("FaultLibrary", format=(int, FORMAT), fault=list[NamedFault]),
    }


def schemas() -> dict[str, str]:
    """Return the text of every schema by its file name."""
    return {f"{name}.schema.json": _text(model) for name, model in models().items()}


def _text(model: type[pydantic.BaseModel]) -> str:
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "made by python -m hil.file_schemas",
    }
    document = head | _renamed(model.model_json_schema(schema_generator=_Forgiving))
    return json.dumps(document, indent=1) + "\n"


def _renamed(part: Any) -> Any:
    if isinstance(part, dict):
        return {RENAMED.get(key, key): _renamed(value) for key, value in part.items()}
    return [_renamed(item) for item in part] if isinstance(part, list) else part


def write(folder: Path) -> None:
    """Write every schema into a folder."""
    folder.mkdir(exist_ok=True)
    for name, text in schemas().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(config_dir() / "schemas")
