with source as (
    select * from {{ source('silver', 'product_category_name_translation') }}
),

renamed as (
    select
        ---------- text
        product_category_name as category_name,
        product_category_name_english as category_name_english
    from source
)

select * from renamed
