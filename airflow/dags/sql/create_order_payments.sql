CREATE TABLE IF NOT EXISTS silver.order_payments (
    order_id             varchar(128) NOT NULL,
    payment_sequential   integer NOT NULL,
    payment_type         varchar(128) NOT NULL,
    payment_installments smallint NOT NULL,
    payment_value        numeric(10,2) NOT NULL,
    PRIMARY KEY (order_id, payment_sequential)
)
DISTSTYLE AUTO
