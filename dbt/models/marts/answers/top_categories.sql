with order_items as (
    select * from {{ ref('fct_order_items') }}
    where not is_canceled
),

products as (
    select * from {{ ref('dim_products') }}
),

summed_to_categories as (
    select
        products.category_name_english,
        count(*) as item_count,
        count(distinct order_items.order_id) as order_count,
        cast(sum(order_items.item_total) as numeric(18, 2)) as revenue
    from order_items
    inner join products
        on order_items.product_id = products.product_id
    group by products.category_name_english
),

ranked as (
    select
        *,
        row_number() over (order by revenue desc, category_name_english) as revenue_rank
    from summed_to_categories
)

select * from ranked
