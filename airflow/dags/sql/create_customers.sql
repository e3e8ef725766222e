CREATE TABLE IF NOT EXISTS silver.customers (
    customer_id              varchar(128) NOT NULL,
    customer_unique_id       varchar(128) NOT NULL,
    customer_zip_code_prefix varchar(20) NOT NULL,
    customer_city            varchar(256) NOT NULL,
    customer_state           varchar(8) NOT NULL,
    PRIMARY KEY (customer_id)
)
DISTSTYLE AUTO
