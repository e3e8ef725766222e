with sellers as (
    select * from {{ ref('stg_olist__sellers') }}
)

select * from sellers
