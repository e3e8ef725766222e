with order_items as (
    select * from {{ ref('stg_olist__order_items') }}
),

orders as (
    select * from {{ ref('stg_olist__orders') }}
),

customers as (
    select * from {{ ref('stg_olist__customers') }}
),

joined as (
    select
        ----------  ids
        order_items.order_id,
        order_items.order_item_number,
        order_items.product_id,
        order_items.seller_id,
        customers.customer_unique_id,

        ---------- numbers
        order_items.price,
        order_items.freight_value,
        cast(order_items.price + order_items.freight_value as numeric(18, 2)) as item_total,

        ---------- booleans
        orders.is_canceled,

        ---------- times
        orders.purchased_at,
        cast(orders.purchased_at as date) as purchased_date,
        order_items.shipping_limit_at
    from order_items
    left join orders
        on order_items.order_id = orders.order_id
    left join customers
        on orders.customer_id = customers.customer_id
)

select * from joined
