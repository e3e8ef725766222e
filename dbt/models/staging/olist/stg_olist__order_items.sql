with source as (
    select * from {{ source('silver', 'order_items') }}
),

renamed as (
    select
        ----------  ids
        order_id,
        order_item_id as order_item_number,
        product_id,
        seller_id,

        ---------- numbers
        price,
        freight_value,

        ---------- times
        shipping_limit_date as shipping_limit_at
    from source
)

select * from renamed
