with source as (
    select * from {{ source('silver', 'geolocation') }}
),

renamed as (
    select
        ---------- text
        geolocation_zip_code_prefix as zip_code_prefix,
        geolocation_city as city,
        geolocation_state as state,

        ---------- numbers
        geolocation_lat as latitude,
        geolocation_lng as longitude
    from source
)

select * from renamed
