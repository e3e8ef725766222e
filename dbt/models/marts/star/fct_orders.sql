with orders as (
    select * from {{ ref('stg_olist__orders') }}
),

customers as (
    select * from {{ ref('stg_olist__customers') }}
),

items_summed_to_orders as (
    select
        order_id,
        count(*) as item_count,
        sum(price) as items_total,
        sum(freight_value) as freight_total
    from {{ ref('stg_olist__order_items') }}
    group by order_id
),

payments_summed_to_orders as (
    select
        order_id,
        count(*) as payment_count,
        sum(payment_value) as payment_total
    from {{ ref('stg_olist__order_payments') }}
    group by order_id
),

reviews_summed_to_orders as (
    select
        order_id,
        count(*) as review_count,
        sum(review_score) as review_score_total
    from {{ ref('stg_olist__order_reviews') }}
    group by order_id
),

-- Left joins only: an order without items, payment or review is still an order.
joined as (
    select
        ----------  ids
        orders.order_id,
        orders.customer_id,
        customers.customer_unique_id,

        ---------- text
        orders.order_status,
        customers.state as customer_state,

        ---------- numbers
        coalesce(items_summed_to_orders.item_count, 0) as item_count,
        cast(coalesce(items_summed_to_orders.items_total, 0) as numeric(18, 2)) as items_total,
        cast(coalesce(items_summed_to_orders.freight_total, 0) as numeric(18, 2)) as freight_total,
        coalesce(payments_summed_to_orders.payment_count, 0) as payment_count,
        cast(coalesce(payments_summed_to_orders.payment_total, 0) as numeric(18, 2)) as payment_total,
        coalesce(reviews_summed_to_orders.review_count, 0) as review_count,
        coalesce(reviews_summed_to_orders.review_score_total, 0) as review_score_total,
        {{ dbt.datediff('orders.purchased_at', 'orders.delivered_at', 'day') }} as delivery_days,
        {{ dbt.datediff('orders.estimated_delivery_date', 'orders.delivered_at', 'day') }} as delay_days,

        ---------- booleans
        orders.is_canceled,
        orders.is_delivered,

        ---------- times
        orders.purchased_at,
        cast(orders.purchased_at as date) as purchased_date,
        orders.approved_at,
        orders.handed_to_carrier_at,
        orders.delivered_at,
        cast(orders.delivered_at as date) as delivered_date,
        orders.estimated_delivery_date
    from orders
    left join customers
        on orders.customer_id = customers.customer_id
    left join items_summed_to_orders
        on orders.order_id = items_summed_to_orders.order_id
    left join payments_summed_to_orders
        on orders.order_id = payments_summed_to_orders.order_id
    left join reviews_summed_to_orders
        on orders.order_id = reviews_summed_to_orders.order_id
),

derived as (
    select
        *,
        cast(items_total + freight_total as numeric(18, 2)) as order_total,
        delay_days > 0 as is_late
    from joined
)

select * from derived
