"""A folder of nine small CSV files in Kaggle's format that hold the quirks of the real ones."""

from pathlib import Path

import pytest

CUSTOMER, ORDER, PRODUCT, SELLER, REVIEW = ("c" * 32, "d" * 32, "e" * 32, "f" * 32, "a" * 32)
SECOND_CUSTOMER, ORDER_WITHOUT_ITEMS = "1" * 32, "2" * 32
FILES = {
    "olist_customers_dataset.csv": f"""\
customer_id,customer_unique_id,customer_zip_code_prefix,customer_city,customer_state
{CUSTOMER},{"9" * 32},01037,são paulo,SP
{SECOND_CUSTOMER},{"9" * 32},"04534",sao paulo,SP
""",
    "olist_geolocation_dataset.csv": """\
geolocation_zip_code_prefix,geolocation_lat,geolocation_lng,geolocation_city,geolocation_state
01037,-23.54562128115268,-46.63929204800168,sao paulo,SP
01037,-23.54562128115268,-46.63929204800168,sao paulo,SP
""",
    "olist_order_items_dataset.csv": f"""\
order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,freight_value
{ORDER},1,{PRODUCT},{SELLER},2017-09-19 09:45:35,58.9,13.29
""",
    "olist_order_payments_dataset.csv": f"""\
order_id,payment_sequential,payment_type,payment_installments,payment_value
{ORDER},1,credit_card,8,72.19
{ORDER_WITHOUT_ITEMS},1,not_defined,1,0.0
""",
    "olist_order_reviews_dataset.csv": (
        "review_id,order_id,review_score,review_comment_title,review_comment_message,"
        "review_creation_date,review_answer_timestamp\r\n"
        f'{REVIEW},{ORDER},5,,"Ótimo, ""recomendo""\r\n\r\nChegou antes",'
        "2017-09-21 00:00:00,2017-09-22 10:57:03\r\n"
        f"{REVIEW},{ORDER_WITHOUT_ITEMS},1,,,2017-09-21 00:00:00,2017-09-22 10:57:03\r\n"
    ),
    "olist_orders_dataset.csv": f"""\
order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at,order_delivered_carrier_date,\
order_delivered_customer_date,order_estimated_delivery_date
{ORDER},{CUSTOMER},delivered,2017-09-13 08:59:02,2017-09-13 09:45:35,2017-09-19 18:34:16,2017-09-20 23:43:48,\
2017-09-29 00:00:00
{ORDER_WITHOUT_ITEMS},{SECOND_CUSTOMER},canceled,2017-09-14 10:00:00,,,,2017-10-01 00:00:00
""",
    "olist_products_dataset.csv": f"""\
product_id,product_category_name,product_name_lenght,product_description_lenght,product_photos_qty,\
product_weight_g,product_length_cm,product_height_cm,product_width_cm
{PRODUCT},cool_stuff,58,598,4,650,28,9,14
{"3" * 32},,,,,,,,
""",
    "olist_sellers_dataset.csv": f"""\
seller_id,seller_zip_code_prefix,seller_city,seller_state
{SELLER},27277,volta redonda,RJ
""",
    # Kaggle's translation file begins with a byte order mark.
    "product_category_name_translation.csv": (
        "\ufeffproduct_category_name,product_category_name_english\r\ncool_stuff,cool_stuff\r\n"
    ),
}


@pytest.fixture
def csv_folder(tmp_path) -> Path:
    folder = tmp_path / "csv"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_bytes(text.encode())
    return folder


@pytest.fixture
def replace_in(csv_folder):
    """Change one file of the folder: ``replace_in(name, old, new)``, text or bytes."""

    def replace(name: str, old: str | bytes, new: str | bytes) -> None:
        file = csv_folder / name
        old, new = (t.encode() if isinstance(t, str) else t for t in (old, new))
        assert old in file.read_bytes()
        file.write_bytes(file.read_bytes().replace(old, new, 1))

    return replace
