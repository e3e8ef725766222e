with delivered_orders as (
    select * from {{ ref('fct_orders') }}
    where is_delivered
),

summed_to_states as (
    select
        customer_state,
        count(*) as delivered_order_count,
        sum(case when is_late then 1 else 0 end) as late_order_count,
        cast(round(avg(cast(delivery_days as numeric(10, 4))), 2) as numeric(10, 2)) as average_delivery_days,
        cast(round(avg(cast(delay_days as numeric(10, 4))), 2) as numeric(10, 2)) as average_delay_days
    from delivered_orders
    group by customer_state
),

with_shares as (
    select
        *,
        cast(round(100.00 * late_order_count / delivered_order_count, 2) as numeric(5, 2)) as late_percent
    from summed_to_states
)

select * from with_shares
