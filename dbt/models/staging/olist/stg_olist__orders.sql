with source as (
    select * from {{ source('silver', 'orders') }}
),

renamed as (
    select
        ----------  ids
        order_id,
        customer_id,

        ---------- text
        order_status,

        ---------- booleans
        order_status in ('canceled', 'unavailable') as is_canceled,
        order_delivered_customer_date is not null as is_delivered,

        ---------- times
        order_purchase_timestamp as purchased_at,
        order_approved_at as approved_at,
        order_delivered_carrier_date as handed_to_carrier_at,
        order_delivered_customer_date as delivered_at,
        order_estimated_delivery_date as estimated_delivery_date
    from source
)

select * from renamed
