with customers as (
    select * from {{ ref('dim_customers') }}
),

orders_summed_to_customers as (
    select
        customer_unique_id,
        sum(order_total) as order_total
    from {{ ref('fct_orders') }}
    where not is_canceled
    group by customer_unique_id
),

summed_to_order_counts as (
    select
        customers.order_count,
        count(*) as customer_count,
        cast(coalesce(sum(orders_summed_to_customers.order_total), 0) as numeric(18, 2)) as revenue
    from customers
    left join orders_summed_to_customers
        on customers.customer_unique_id = orders_summed_to_customers.customer_unique_id
    group by customers.order_count
),

with_shares as (
    select
        *,
        cast(
            round(100.00 * customer_count / sum(customer_count) over (), 2) as numeric(5, 2)
        ) as customer_percent
    from summed_to_order_counts
)

select * from with_shares
