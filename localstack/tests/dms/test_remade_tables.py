"""A table that is dropped and made again under its name: what a source is seeded with anew looks like to its task."""

from tests.dms.conftest import own, wait_until

REMADE = """
BEGIN; DROP TABLE orders;
CREATE TABLE orders (id int PRIMARY KEY, price numeric(10,2), city text); ALTER TABLE orders REPLICA IDENTITY FULL;
INSERT INTO orders VALUES ({id}, 5, 'Santos');
COMMIT
"""


def loaded(made) -> list[int]:
    return ids(made, lambda name: name.startswith("LOAD"))


def captured(made) -> list[int]:
    return ids(made, lambda name: not name.startswith("LOAD"))


def ids(made, wanted) -> list[int]:
    """Of the rows of these files; none while the table's old files are removed, between their listing and reading."""
    keys = sorted(key for key in made.objects() if "/orders/" in key and wanted(key.rpartition("/")[2]))
    try:
        return [row["id"] for key in keys for row in made.parquet(key).read().to_pylist()]
    except made.aws("s3").exceptions.NoSuchKey:
        return []


def test_D5_a_table_that_was_dropped_and_made_again_is_loaded_again_and_captured(capture, source, shop):
    """While the task runs, and while it is stopped."""
    made = capture()
    made.follow()
    own(source, REMADE.format(id=10))
    own(source, "INSERT INTO orders VALUES (11, 6, 'Bauru')")
    wait_until(lambda: 10 in loaded(made), lambda: (loaded(made), made.messages()))
    own(source, "INSERT INTO orders VALUES (12, 7, 'Franca')")
    wait_until(lambda: 12 in captured(made), lambda: (captured(made), made.messages()))
    assert sorted(loaded(made) + captured(made)) == [10, 11, 12]

    made.stop()
    own(source, REMADE.format(id=20))
    made.follow("resume-processing")
    own(source, "INSERT INTO orders VALUES (21, 6, 'Bauru')")
    wait_until(lambda: 21 in loaded(made) + captured(made), lambda: (loaded(made), captured(made), made.messages()))
    assert sorted(loaded(made) + captured(made)) == [20, 21]
