-- No row lost and none doubled between silver and the star: counts and sums are the same on both sides.
with silver as (
    select
        (select count(*) from {{ ref('stg_olist__orders') }}) as orders,
        (select count(*) from {{ ref('stg_olist__order_items') }}) as items,
        (select count(*) from {{ ref('stg_olist__order_reviews') }}) as reviews,
        (select coalesce(sum(price), 0) from {{ ref('stg_olist__order_items') }}) as price,
        (select coalesce(sum(freight_value), 0) from {{ ref('stg_olist__order_items') }}) as freight,
        (select coalesce(sum(payment_value), 0) from {{ ref('stg_olist__order_payments') }}) as payments
),

order_facts as (
    select
        count(*) as orders,
        coalesce(sum(item_count), 0) as items,
        coalesce(sum(review_count), 0) as reviews,
        coalesce(sum(items_total), 0) as price,
        coalesce(sum(freight_total), 0) as freight,
        coalesce(sum(payment_total), 0) as payments
    from {{ ref('fct_orders') }}
),

item_facts as (
    select
        count(*) as items,
        coalesce(sum(price), 0) as price,
        coalesce(sum(freight_value), 0) as freight
    from {{ ref('fct_order_items') }}
)

select *
from silver
cross join order_facts
cross join item_facts
where
    silver.orders <> order_facts.orders
    or silver.items <> order_facts.items
    or silver.reviews <> order_facts.reviews
    or silver.price <> order_facts.price
    or silver.freight <> order_facts.freight
    or silver.payments <> order_facts.payments
    or silver.items <> item_facts.items
    or silver.price <> item_facts.price
    or silver.freight <> item_facts.freight
