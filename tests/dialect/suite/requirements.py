# mypy: ignore-errors
"""What SQLite itself has and lacks, for SQLAlchemy's suite; nothing here is about a driver.

As SQLAlchemy's own requirements for SQLite with a file. The run against aiosqlite uses this file
too, and must pass and skip the same tests.
"""

from sqlalchemy.testing import exclusions
from sqlalchemy.testing.requirements import SuiteRequirements

# What the suite takes to be missing unless it is told, and SQLite has.
HAS = """
    async_dialect autocommit boolean_col_expressions check_constraint_reflection computed_columns
    computed_columns_reflect_persisted computed_columns_stored computed_columns_virtual
    create_table_as create_temp_table_as ctes ctes_with_values date_historic datetime_historic
    datetime_literals dbapi_lastrowid emulated_lastrowid except_ expression_server_defaults
    fetch_expression fetch_offset_with_options fk_constraint_option_reflection_ondelete_noaction
    fk_constraint_option_reflection_ondelete_restrict
    fk_constraint_option_reflection_onupdate_restrict
    float_or_double_precision_behaves_generically foreign_key_constraint_name_reflection
    foreign_key_constraint_option_reflection_ondelete
    foreign_key_constraint_option_reflection_onupdate index_ddl_if_exists
    indexes_check_column_order indexes_with_expressions infinity_floats
    inline_check_constraint_reflection intersect isolation_level json_array_indexes json_type
    legacy_unconditional_json_extract mod_operator_as_percent_sign non_updating_cascade
    nullsordering nvarchar_types order_by_collation order_by_label_with_expression
    percent_schema_names precision_numerics_enotation_small
    precision_numerics_retains_significant_digits reflect_table_options reflects_pk_names
    regexp_match repeated_column_foreign_keys savepoints server_defaults server_side_cursors
    skip_autocommit_rollback supports_bitwise_and supports_bitwise_not supports_bitwise_or
    supports_bitwise_shift supports_bitwise_xor table_ddl_if_exists tuple_in tuple_in_w_empty
    unicode_ddl update_from view_column_reflection view_reflection views window_functions
    window_range window_range_numeric
""".split()  # noqa: SIM905

# What the suite takes to be there, and why it is not.
LACKS = {
    "foreign_keys": "not checked by default",
    "on_update_cascade": "not checked by default",
    "on_update_or_deferrable_fks": "not checked by default",
    "implicitly_named_constraints": "an unnamed constraint has no name",
    "independent_connections": "another connection has not attached the file of test_schema",
    "independent_readonly_connections": "another connection has not attached it either",
    "json_index_supplementary_unicode_element": "not found by SQLite's JSON functions",
    "nested_aggregates": "refused",
    "numeric_received_as_decimal_untyped": "there is no decimal type",
    "parens_in_union_contained_select_w_limit_offset": "a syntax error",
    "parens_in_union_contained_select_wo_limit_offset": "a syntax error",
    "temporary_tables": "belong to one connection of a pool",
    "has_temp_table": "belong to one connection of a pool",
    "temp_table_reflection": "belong to one connection of a pool",
    "temp_table_reflect_indexes": "belong to one connection of a pool",
}


class Requirements(SuiteRequirements):
    def get_isolation_levels(self, config):
        return {
            "default": "SERIALIZABLE",
            "supported": list(config.db.dialect.get_isolation_level_values(None)),
        }

    def get_order_by_collation(self, config):
        return "NOCASE"


for _name in HAS:
    setattr(Requirements, _name, property(lambda _self: exclusions.open()))
for _name in LACKS:
    setattr(Requirements, _name, property(lambda _self: exclusions.closed()))
