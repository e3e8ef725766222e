CREATE TABLE IF NOT EXISTS silver.orders (
    order_id                      varchar(128) NOT NULL,
    customer_id                   varchar(128) NOT NULL,
    order_status                  varchar(64) NOT NULL,
    order_purchase_timestamp      timestamp NOT NULL,
    order_approved_at             timestamp,
    order_delivered_carrier_date  timestamp,
    order_delivered_customer_date timestamp,
    order_estimated_delivery_date date NOT NULL,
    PRIMARY KEY (order_id)
)
DISTSTYLE AUTO
SORTKEY (order_purchase_timestamp)
