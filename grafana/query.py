"""A query of the official ClickHouse plugin, as the SDK's models know queries.

The SDK has none of its own. The form is that of plugin 4.20: raw SQL, `format` 0 for time series and 1 for tables.
"""

from dataclasses import dataclass, field
from typing import Any, Self

from grafana_foundation_sdk.cog import plugins, runtime, variants
from grafana_foundation_sdk.models.common import DataSourceRef

#: Type and uid of the data source that all boards read.
DATA_SOURCE_TYPE, DATA_SOURCE_UID = "grafana-clickhouse-datasource", "sfe-pulse"
PLUGIN_VERSION = "4.20.0"
TIME_SERIES, TABLE = 0, 1


def data_source() -> DataSourceRef:
    """Reference to the data source."""
    return DataSourceRef(type_val=DATA_SOURCE_TYPE, uid=DATA_SOURCE_UID)


@dataclass
class ClickHouseQuery(variants.Dataquery):
    """One SQL statement of a panel."""

    sql: str
    format: int = TABLE
    ref_id: str = "A"
    datasource: DataSourceRef = field(default_factory=data_source)

    def to_json(self) -> dict[str, object]:
        """As Grafana stores it."""
        return {
            "datasource": self.datasource,
            "editorType": "sql",
            "format": self.format,
            "pluginVersion": PLUGIN_VERSION,
            "rawSql": self.sql,
            "refId": self.ref_id,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read back what `to_json` wrote."""
        return cls(data["rawSql"], data["format"], data["refId"], DataSourceRef.from_json(data["datasource"]))


def register() -> None:
    """Teach the SDK to read boards back, panels' options and our queries included."""
    plugins.register_default_plugins()
    runtime.Runtime().register_dataquery_variant(runtime.DataqueryConfig(DATA_SOURCE_TYPE, ClickHouseQuery.from_json))
