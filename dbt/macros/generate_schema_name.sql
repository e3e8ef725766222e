{#- The schema that a folder names, as it is: `staging` and `marts` stand beside `silver` in the same database,
    so the target's own schema is no prefix as it would be by default. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name or target.schema }}
{%- endmacro %}
