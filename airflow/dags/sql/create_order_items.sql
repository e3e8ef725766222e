CREATE TABLE IF NOT EXISTS silver.order_items (
    order_id            varchar(128) NOT NULL,
    order_item_id       integer NOT NULL,
    product_id          varchar(128) NOT NULL,
    seller_id           varchar(128) NOT NULL,
    shipping_limit_date timestamp NOT NULL,
    price               numeric(10,2) NOT NULL,
    freight_value       numeric(10,2) NOT NULL,
    PRIMARY KEY (order_id, order_item_id)
)
DISTSTYLE AUTO
SORTKEY (shipping_limit_date)
