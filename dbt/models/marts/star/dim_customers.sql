with customers as (
    select * from {{ ref('stg_olist__customers') }}
),

orders as (
    select * from {{ ref('stg_olist__orders') }}
),

-- Every order brings a customer record of its own: the newest one tells where the person lives now.
records_numbered_newest_first as (
    select
        customers.customer_unique_id,
        customers.zip_code_prefix,
        customers.city,
        customers.state,
        row_number() over (
            partition by customers.customer_unique_id
            order by orders.purchased_at desc nulls last, customers.customer_id
        ) as record_number
    from customers
    left join orders
        on customers.customer_id = orders.customer_id
),

orders_summed_to_people as (
    select
        customers.customer_unique_id,
        count(orders.order_id) as order_count,
        min(orders.purchased_at) as first_purchased_at,
        max(orders.purchased_at) as latest_purchased_at
    from customers
    left join orders
        on customers.customer_id = orders.customer_id
    group by customers.customer_unique_id
),

people as (
    select
        ----------  ids
        records_numbered_newest_first.customer_unique_id,

        ---------- text
        records_numbered_newest_first.zip_code_prefix,
        records_numbered_newest_first.city,
        records_numbered_newest_first.state,

        ---------- numbers
        orders_summed_to_people.order_count,

        ---------- booleans
        orders_summed_to_people.order_count > 1 as is_repeat_customer,

        ---------- times
        orders_summed_to_people.first_purchased_at,
        orders_summed_to_people.latest_purchased_at
    from records_numbered_newest_first
    inner join orders_summed_to_people
        on records_numbered_newest_first.customer_unique_id = orders_summed_to_people.customer_unique_id
    where records_numbered_newest_first.record_number = 1
)

select * from people
