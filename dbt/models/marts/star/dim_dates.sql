-- The days are counted with joined digits: Redshift has no generate_series for a table to be made of.
with orders as (
    select * from {{ ref('stg_olist__orders') }}
),

-- Whole years, from the first purchase to the last day that an order names.
calendar_bounds as (
    select
        cast({{ dbt.date_trunc('year', 'min(purchased_at)') }} as date) as first_day,
        cast({{ dbt.dateadd(
            'year', 1, dbt.date_trunc('year', 'greatest(cast(max(delivered_at) as date), max(estimated_delivery_date))')
        ) }} as date) as day_after_last
    from orders
),

digits as (
    {% for digit in range(10) -%}
    select {{ digit }} as digit{{ ' union all' if not loop.last }}
    {% endfor %}
),

day_numbers as (
    select thousands.digit * 1000 + hundreds.digit * 100 + tens.digit * 10 + ones.digit as day_number
    from digits as thousands
    cross join digits as hundreds
    cross join digits as tens
    cross join digits as ones
),

days as (
    select cast({{ dbt.dateadd('day', 'day_numbers.day_number', 'calendar_bounds.first_day') }} as date) as date_day
    from day_numbers
    cross join calendar_bounds
    where {{ dbt.dateadd('day', 'day_numbers.day_number', 'calendar_bounds.first_day') }}
        < calendar_bounds.day_after_last
),

described as (
    select
        date_day,

        ---------- numbers
        cast(extract(year from date_day) as integer) as year_number,
        cast(extract(quarter from date_day) as integer) as quarter_of_year,
        cast(extract(month from date_day) as integer) as month_of_year,
        cast(extract(day from date_day) as integer) as day_of_month,
        cast(extract(dow from date_day) as integer) as day_of_week,

        ---------- booleans
        extract(dow from date_day) in (0, 6) as is_weekend,

        ---------- times
        cast({{ dbt.date_trunc('month', 'date_day') }} as date) as month_start_date
    from days
)

select * from described
