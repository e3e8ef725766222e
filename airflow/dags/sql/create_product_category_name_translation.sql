CREATE TABLE IF NOT EXISTS silver.product_category_name_translation (
    product_category_name         varchar(256) NOT NULL,
    product_category_name_english varchar(256) NOT NULL,
    PRIMARY KEY (product_category_name)
)
DISTSTYLE AUTO
