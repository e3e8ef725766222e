CREATE TABLE IF NOT EXISTS silver.products (
    product_id                 varchar(128) NOT NULL,
    product_category_name      varchar(256),
    product_name_lenght        integer,
    product_description_lenght integer,
    product_photos_qty         integer,
    product_weight_g           integer,
    product_length_cm          integer,
    product_height_cm          integer,
    product_width_cm           integer,
    PRIMARY KEY (product_id)
)
DISTSTYLE AUTO
