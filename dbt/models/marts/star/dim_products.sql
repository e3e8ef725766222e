with products as (
    select * from {{ ref('stg_olist__products') }}
),

translations as (
    select * from {{ ref('stg_olist__product_category_name_translation') }}
),

translated as (
    select
        ----------  ids
        products.product_id,

        ---------- text
        coalesce(products.category_name, 'unknown') as category_name,
        coalesce(translations.category_name_english, 'unknown') as category_name_english,

        ---------- numbers
        products.name_length,
        products.description_length,
        products.photo_count,
        products.weight_g,
        products.length_cm,
        products.height_cm,
        products.width_cm,
        products.length_cm * products.height_cm * products.width_cm as volume_cm3
    from products
    left join translations
        on products.category_name = translations.category_name
)

select * from translated
