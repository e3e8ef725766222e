import numpy as np

from seed_data.dice import Dice, curve, weighted

ROWS = np.arange(100_000)


def test_draws_depend_on_seed_name_and_row_only():
    whole, alone = Dice(1).draw("price", ROWS), Dice(1).draw("price", np.array([77_777]))
    assert whole[77_777] == alone[0]
    assert (Dice(2).draw("price", ROWS) != whole).all() and (Dice(1).draw("weight", ROWS) != whole).all()


def test_draws_are_uniform():
    assert abs(Dice(1).chance("late", ROWS, 0.25).mean() - 0.25) < 0.01
    counts = np.bincount(Dice(1).below("die", ROWS, 6))
    assert len(counts) == 6 and (abs(counts / len(ROWS) - 1 / 6) < 0.01).all()


def test_identifiers_are_32_hexadecimal_digits_and_unique():
    found = Dice(1).identifier("order", ROWS).to_pylist()
    assert len(set(found)) == len(ROWS)
    assert all(len(i) == 32 and not set(i) - set("0123456789abcdef") for i in found[:100])


def test_weighted_table_holds_each_position_in_its_share():
    assert np.bincount(weighted([1, 0, 3], 8)).tolist() == [2, 0, 6]


def test_curve_has_the_quantiles_it_was_given():
    table = curve({0: 0, 0.5: 100, 1: 1000}, 1000)
    assert np.quantile(table, [0.25, 0.5, 0.75]).round(-1).tolist() == [50, 100, 550]
