with orders as (
    select * from {{ ref('fct_orders') }}
    where not is_canceled
),

dates as (
    select * from {{ ref('dim_dates') }}
),

summed_to_months as (
    select
        dates.month_start_date,
        count(*) as order_count,
        sum(orders.item_count) as item_count,
        cast(sum(orders.items_total) as numeric(18, 2)) as items_total,
        cast(sum(orders.freight_total) as numeric(18, 2)) as freight_total,
        cast(sum(orders.order_total) as numeric(18, 2)) as revenue
    from orders
    inner join dates
        on orders.purchased_date = dates.date_day
    group by dates.month_start_date
)

select * from summed_to_months
