CREATE TABLE IF NOT EXISTS silver.order_reviews (
    review_id               varchar(128) NOT NULL,
    order_id                varchar(128) NOT NULL,
    review_score            smallint NOT NULL,
    review_comment_title    varchar(65535),
    review_comment_message  varchar(65535),
    review_creation_date    date NOT NULL,
    review_answer_timestamp timestamp NOT NULL,
    PRIMARY KEY (review_id, order_id)
)
DISTSTYLE AUTO
SORTKEY (review_creation_date)
