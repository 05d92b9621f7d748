"""Features that go with renewal: the planted cause is found, what only heavy users do is not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
import sqlalchemy as sa

from include.analyses import feature_store, features
from include.analyses.features import Behaviour
from include.analyses.strata import Stratum
from include.warehouse.engine import engine
from tests.analyses import feature_world
from tests.analyses.test_strata import THREE
from tests.fixtures.databases import database
from tests.sql import cases

ALIKE = (THREE, THREE)


@pytest.fixture
def connection(postgres: str) -> Iterator[sa.Connection]:
    with (
        database(postgres, "features", "template") as url,
        engine("owner", url).connect() as opened,
        opened.begin() as all_of_it,
    ):
        cases.create_tables(opened)
        yield opened
        all_of_it.rollback()


def verdicts(*behaviours: Behaviour) -> dict[str, str]:
    return {found.name: found.verdict for found in features.judge(behaviours)}


def test_a_feature_goes_with_renewal_only_if_both_halves_agree() -> None:
    against = tuple(Stratum(each.kept_without, each.n_without, each.kept_with, each.n_with) for each in THREE)
    assert verdicts(
        Behaviour("shown", THREE, ALIKE),
        Behaviour("changing", THREE, (THREE, against)),
        Behaviour("losing", against, (against, against)),
        Behaviour("rare", (), ((), ())),
    ) == {"shown": "goes_with", "changing": "unstable", "losing": "goes_with_losing", "rare": "too_few"}


def test_many_features_raise_the_bar() -> None:
    weak = (Stratum(30, 40, 25, 40),)
    (alone,) = features.judge([Behaviour("weak", weak, ((), ()))])
    assert alone.p and alone.p < 0.4
    flat = [Behaviour(f"flat {n}", (Stratum(20, 40, 20 + n % 2, 40),), ((), ())) for n in range(20)]
    found = {one.name: one for one in features.judge([Behaviour("shown", THREE, ALIKE), *flat])}
    shown = found["shown"]
    assert shown.p and shown.p >= 0.0079 and shown.p_adjusted == pytest.approx(21 * shown.p)
    assert shown.verdict == ("goes_with" if shown.p_adjusted <= 0.1 else "not_shown")


def test_key_features_are_compared_with_the_evidence() -> None:
    found = features.judge([Behaviour("reports", THREE, ALIKE), Behaviour("api", (Stratum(20, 40, 20, 40),), ((), ()))])
    assert features.proposal(found, ("api", "dashboards")) == {
        "add": ["reports"],
        "confirmed": [],
        "no_evidence": ["api", "dashboards"],
    }


def test_planted_cause_is_found_and_the_confounded_feature_refused(connection: sa.Connection) -> None:
    feature_world.insert(connection, seed=1)
    found = feature_store.read(connection)
    by_name = {one.name: one for one in found.findings}
    # One renewal of the world has no use at all, and so no row.
    assert (found.n_renewals, found.n_unknown) == (1199, 1) and found.n_losses > 200
    assert by_name["cause"].verdict == "goes_with"
    assert by_name["confounded"].verdict == "not_shown"
    crude, effect = by_name["confounded"].crude, by_name["confounded"].effect
    assert crude and effect and crude > effect.interval.share
    assert by_name["cause"].behaviour.n_begun == 0
    feature_store.keep(connection, found, date(2026, 11, 1))
    assert feature_store.stored(connection)[0]["feature"] == "cause"


@pytest.mark.soak
def test_cause_is_found_and_the_confounded_feature_refused_in_most_worlds(connection: sa.Connection) -> None:
    found, refused, false = 0, 0, 0
    for seed in range(10):
        with connection.begin_nested() as world:
            feature_world.insert(connection, seed)
            verdicts = {one.name: one.verdict for one in feature_store.read(connection).findings}
            world.rollback()
        found += verdicts["cause"] == "goes_with"
        refused += verdicts["confounded"] != "goes_with"
        false += sum(verdicts[name] == "goes_with" for name in feature_world.NOISE)
    assert found >= 8 and refused >= 8, (found, refused)
    assert false <= 0.1 * 10 * len(feature_world.NOISE)


def test_customers_without_a_valuable_feature_are_listed(connection: sa.Connection) -> None:
    feature_world.add_day(connection, "marts.account_day")
    feature_world.add_day(connection, "core.usage_day")
    connection.exec_driver_sql(
        "insert into marts.account_day (account_key, day) values ('crm:1', '2026-11-30');"
        "insert into marts.act_account (account_key, account_name, arr) select 'crm:' || n, 'Customer ' || n, n * 100"
        " from generate_series(1, 3) as n;"
        "insert into core.product_start values ('crm:1', '2024-01-01'), ('crm:2', '2024-01-01'),"
        " ('crm:3', '2026-11-01');"
        "insert into core.usage_day (account_key, day, user_key, feature, n_events) select 'crm:' || a,"
        " date '2026-11-30' - 7 * w, 'u' || u, case when a = 1 then 'reports' else 'api' end, 1"
        " from generate_series(1, 2) as a, generate_series(0, 3) as w, generate_series(1, 3) as u"
    )
    found = features.Analysis(1000, 100, 0, features.judge([Behaviour("reports", THREE, ALIKE)]))
    for one in (found, found, features.Analysis(1000, 29, 0)):  # repeating it changes nothing, nor do too few losses
        feature_store.keep(connection, one, date(2026, 11, 1))
    assert feature_store.stored(connection, before=date(2026, 12, 1))[0]["feature"] == "reports"
    assert feature_store.stored(connection, before=date(2026, 11, 1)) == []
    listed = feature_store.unused(connection)
    assert [(row["account_key"], row["feature"]) for row in listed] == [("crm:2", "reports")]
    assert feature_store.unused(connection, ["crm:1"]) == []
    connection.exec_driver_sql(
        "insert into meta.feature_unused (month, account_key, feature) values ('2026-11-01', 'crm:3', 'reports')"
    )
    some = feature_store.unused(connection, ["crm:1", "crm:2", "crm:3"], most=1)
    assert [(row["account_key"], row["n_all"]) for row in some] == [("crm:3", 2)]


def test_only_the_first_window_of_a_moved_renewal_counts(connection: sa.Connection) -> None:
    feature_world.insert(connection, seed=1, n=60)
    before = connection.execute(feature_store._CELLS, {"feature": "cause"}).all()
    connection.exec_driver_sql(
        "insert into marts.feature_checkpoint (renewal_id, account_key, feature, as_of, decision_date, n_user_days,"
        " n_user_days_all, is_used, first_used_on) select distinct on (renewal_id) renewal_id, account_key, 'cause',"
        " as_of + 90, decision_date + 90, 50, 50, true, as_of from marts.feature_checkpoint as a where not exists"
        " (select from marts.feature_checkpoint as b where b.renewal_id = a.renewal_id and b.feature = 'cause')"
    )
    assert connection.execute(feature_store._CELLS, {"feature": "cause"}).all() == before


def test_few_losses_judge_nothing(connection: sa.Connection) -> None:
    feature_world.insert(connection, seed=1, n=60)
    found = feature_store.read(connection)
    assert found.findings == () and not found.is_available and 0 < found.n_losses < 30
