CREATE TABLE IF NOT EXISTS silver.geolocation (
    geolocation_zip_code_prefix varchar(20) NOT NULL,
    geolocation_lat             double precision NOT NULL,
    geolocation_lng             double precision NOT NULL,
    geolocation_city            varchar(256) NOT NULL,
    geolocation_state           varchar(8) NOT NULL
)
DISTSTYLE AUTO
