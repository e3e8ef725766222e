with source as (
    select * from {{ source('silver', 'order_reviews') }}
),

renamed as (
    select
        ----------  ids
        review_id,
        order_id,

        ---------- text
        review_comment_title as comment_title,
        review_comment_message as comment_message,

        ---------- numbers
        review_score,

        ---------- times
        review_creation_date as sent_date,
        review_answer_timestamp as answered_at
    from source
)

select * from renamed
