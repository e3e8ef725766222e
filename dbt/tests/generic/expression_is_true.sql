{#- As dbt_utils': the expression holds for every row; a NULL counts as broken. -#}
{% test expression_is_true(model, expression) %}

select *
from {{ model }}
where not coalesce({{ expression }}, false)

{% endtest %}
