"""chDB's configuration: limits, and the rights of everything that runs in it."""

import os
from xml.sax.saxutils import escape

#: What the server calls itself; also the proof that the configuration was read.
NAME = "sfe-pulse local"
_CONFIG = """<clickhouse>
<users_config>{config}</users_config>
<display_name>{name}</display_name>
<tmp_path>{temporary}</tmp_path>
<timezone>UTC</timezone>
<max_server_memory_usage>{memory}</max_server_memory_usage>
<mark_cache_size>268435456</mark_cache_size>
<primary_index_cache_size>268435456</primary_index_cache_size>
<background_pool_size>2</background_pool_size>
<profiles><default>
<max_threads>{threads}</max_threads>
<max_memory_usage>{query_memory}</max_memory_usage>
<max_execution_time>600</max_execution_time>
<implicit_select>0</implicit_select>
<allow_python_table_function>0</allow_python_table_function>
<constraints>
<allow_python_table_function><const/></allow_python_table_function>
<allow_experimental_eval_table_function><const/></allow_experimental_eval_table_function>
<dialect><const/></dialect>
<implicit_select><const/></implicit_select>
</constraints>
</default></profiles>
<quotas><default/></quotas>
<users><default>
<password></password>
<networks><ip>::1</ip><ip>127.0.0.1</ip></networks>
<profile>default</profile>
<quota>default</quota>
<grants><query>GRANT {rights} ON *.*</query><query>REVOKE {kept} ON system.*</query></grants>
</default></users>
</clickhouse>
"""
#: Everything inside the database, nothing that reaches files, other hosts or the process itself.
_RIGHTS = (
    "SHOW, SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, CREATE TEMPORARY TABLE, "
    "DROP, TRUNCATE, OPTIMIZE, KILL QUERY, CHECK, SYSTEM FLUSH, SYSTEM MERGES, SYSTEM DROP CACHE"
)
_KEPT = "INSERT, ALTER, CREATE TABLE, CREATE VIEW, DROP, TRUNCATE, OPTIMIZE"


def configuration(config: str, memory: int) -> str:
    """The XML text of the file named `config`, with `memory` bytes for all queries together."""
    return _CONFIG.format(
        config=escape(config),
        temporary=escape(config.replace("endpoint.xml", "tmp/")),
        name=NAME,
        memory=memory,
        query_memory=memory // 2,
        threads=min(4, os.cpu_count() or 1),
        rights=_RIGHTS,
        kept=_KEPT,
    )
