CREATE TABLE IF NOT EXISTS silver.sellers (
    seller_id              varchar(128) NOT NULL,
    seller_zip_code_prefix varchar(20) NOT NULL,
    seller_city            varchar(256) NOT NULL,
    seller_state           varchar(8) NOT NULL,
    PRIMARY KEY (seller_id)
)
DISTSTYLE AUTO
