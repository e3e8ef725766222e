with reviewed_deliveries as (
    select * from {{ ref('fct_orders') }}
    where is_delivered and review_count > 0
),

deliveries_in_buckets as (
    select
        *,
        case
            when delay_days <= -14 then 1
            when delay_days <= -7 then 2
            when delay_days <= 0 then 3
            when delay_days <= 7 then 4
            else 5
        end as delay_bucket_number
    from reviewed_deliveries
),

summed_to_buckets as (
    select
        delay_bucket_number,
        case delay_bucket_number
            when 1 then '14 days early or more'
            when 2 then '7 to 13 days early'
            when 3 then 'on time, up to 6 days early'
            when 4 then '1 to 7 days late'
            when 5 then 'more than 7 days late'
        end as delay_bucket,
        count(*) as order_count,
        sum(review_count) as review_count,
        cast(
            round(cast(sum(review_score_total) as numeric(18, 4)) / sum(review_count), 2) as numeric(3, 2)
        ) as average_review_score
    from deliveries_in_buckets
    group by delay_bucket_number
)

select * from summed_to_buckets
