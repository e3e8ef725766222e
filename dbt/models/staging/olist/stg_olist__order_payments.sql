with source as (
    select * from {{ source('silver', 'order_payments') }}
),

renamed as (
    select
        ----------  ids
        order_id,
        payment_sequential as payment_number,

        ---------- text
        payment_type,

        ---------- numbers
        payment_installments as installment_count,
        payment_value
    from source
)

select * from renamed
