"""After any merges in any order, with builds, kills and rebuilds, the tables equal a build from scratch.

Each seed plays some days of the small world: records change, arrive late, move, are deleted and confirmed as deleted;
settings and queries change; builds run, die half-way or rebuild some window. Then one more build runs, and every row of
every table is compared with a build from scratch at the same ``known_at``.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from include.common import paths
from include.connectors.base import Record
from include.identity import answers
from include.models import build, registry
from tests.fixtures import small_world as world
from tests.fixtures.databases import database

START = datetime.fromisoformat(world.FIRST)
_numbers = itertools.count(1)


class Play:
    """One run of the world, driven by a seed."""

    def __init__(self, seed: int, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.random = random.Random(seed)
        self.monkeypatch = monkeypatch
        self.folder = folder
        self.settings = {"grace": "default: 30", "exclusions": ""}
        self.now = START
        self.lines: dict[str, Callable[[], Record]] = {
            "l1": lambda: world.line("l1", "d1", 1200, date(2025, 9, 15), date(2026, 9, 15)),
            "l2": lambda: world.line("l2", "d2", 2400, date(2025, 5, 15), date(2026, 5, 15)),
            "l3": lambda: world.line("l3", "d3", 100, date(2025, 12, 31), date(2026, 1, 31)),
        }

    def run(self, n_steps: int) -> None:
        """Play some steps and end with a build."""
        steps = [
            self.usage, self.usage, self.late_usage, self.seats, self.ticket, self.solve, self.rate, self.renew,
            self.edit, self.hand_over, self.role, self.touch, self.relink, self.merge, self.new_customer,
            self.delete_line, self.full_read, self.bot, self.give_notice, self.build, self.build, self.die,
            self.rebuild, self.wait, self.by_domain, self.answer, self.unmerge, self.parent, self.reply, self.desk_user,
            self.exclude, self.rates, self.grace, self.features, self.redefine, self.euros,
        ]  # fmt: skip
        for number in range(n_steps):
            self._tick(timedelta(minutes=7))
            (self.line_history if number == n_steps // 2 else self.random.choice(steps))()
        self._tick(timedelta(minutes=7))
        build.run(f"last {self.now}")

    def _tick(self, by: timedelta) -> None:
        self.now = min(self.now + by, datetime(2026, 6, 30, 20, tzinfo=UTC))
        self.monkeypatch.setenv("PERENNIAL_NOW", self.now.isoformat())

    def _account(self) -> str:
        return self.random.choice("123")

    def _day(self, back: int) -> date:
        return self.now.date() - timedelta(days=self.random.randrange(back))

    def usage(self) -> None:
        who = self.random.choice("13")
        users, days = self.random.sample(["u1", "u3", "u4"], 2), self._day(3)
        world.load("usage_day", *(world.usage(who, user, days, self.random.randint(0, 40)) for user in users))

    def late_usage(self) -> None:
        who, feature = self.random.choice("13"), self.random.choice(["login", "api", "reports"])
        world.load("usage_day", world.usage(who, f"u{who}", self._day(95), self.random.randint(1, 90), feature))

    def seats(self) -> None:
        world.load("seat_day", world.seats("1", self._day(40), self.random.randint(5, 20), self.random.randint(0, 9)))

    def ticket(self) -> None:
        made = datetime.combine(self._day(60), datetime.min.time(), UTC)
        priority = self.random.choice(["urgent", "normal"])
        number = self.random.randint(3, 6)
        world.load("ticket", world.ticket(f"t{number}", "o1", created_at=made, priority=priority))

    def solve(self) -> None:
        at = self.now - timedelta(hours=self.random.randint(1, 90))
        made = at - timedelta(days=5)
        world.load(
            "ticket",
            world.ticket(f"t{self.random.randint(1, 6)}", "o1", status="solved", created_at=made, solved_at=at),
        )

    def reply(self) -> None:
        number = self.random.randint(1, 6)
        values = {"ticket_id": f"t{number}", "organization_id": "o1", "event_type": "comment", "is_public": True}
        at = self.now - timedelta(hours=self.random.randint(1, 90))
        world.load("ticket_event", world.record(f"e{number}", actor_id="agent1", happened_at=at, **values))

    def desk_user(self) -> None:
        world.load("support_user", world.record("agent1", role=self.random.choice(["agent", "end-user"])))

    def rate(self) -> None:
        score = self.random.choice(["good", "bad"])
        values = {"ticket_id": "t2", "organization_id": "o2", "score": score, "updated_at": self.now}
        world.load("rating", world.record("r1", **values))

    def renew(self) -> None:
        closed = self._day(40)
        start = self.random.choice([date(2026, 5, 15), closed])
        world.load("opportunity", world.deal("d22", "2", opportunity_type="renewal", close_date=closed))
        self._line("l22", "d22", self.random.choice([2000, 2400, 3000]), start, date(2027, 5, 15))

    def edit(self) -> None:
        self._line("l1", "d1", self.random.randint(900, 1500), date(2025, 9, 15), date(2026, 9, 15))

    def line_history(self) -> None:
        """The vendor's history arrives: the line had a longer term before the first load."""
        line = world.line("l2", "d2", 2400, date(2025, 5, 15), date(2026, 5, 15))
        cut = datetime(2026, 4, 1, tzinfo=UTC)
        world.load_line_history(line, (datetime(2025, 5, 1, tzinfo=UTC), date(2027, 5, 15)), (cut, date(2026, 5, 15)))

    def _line(self, id: str, deal: str, amount: int, start: date, end: date) -> None:
        self.lines[id] = lambda: world.line(id, deal, amount, start, end, quantity=Decimal(7))
        world.load("contract_line", self.lines[id]())

    def hand_over(self) -> None:
        tier = self.random.choice(["small", "standard"])
        world.load("account", world.account(self._account(), owner_id=self.random.choice("78"), tier=tier))

    def role(self) -> None:
        role, whose = self.random.choice(["CHAMPION", "END_USER", "DECISION_MAKER"]), self._account()
        world.load("contact", world.contact("c1", whose, role=role))

    def touch(self) -> None:
        world.load("contact", world.contact("c2", "2", last_contacted_at=self.now - timedelta(hours=2)))

    def relink(self) -> None:
        world.load("organization", world.organization("o1", self.random.choice(["1", "2", None])))

    def merge(self) -> None:
        world.load("account", world.account("3", merged_ids="2"))

    def unmerge(self) -> None:
        world.load("account", world.account("3"), world.account("2"))

    def parent(self) -> None:
        world.load("account", world.account(self._account(), parent_id=self._account()))

    def by_domain(self) -> None:
        domain = self.random.choice(["one.example", "two.example", "gmail.com"])
        world.load("account", world.account(self._account(), domain=domain))
        who = self.random.choice(["o1", "o2"])
        world.load("organization", world.record(who, domain_names=self.random.choice(["one.example", "two.example"])))

    def answer(self) -> None:
        account = self.random.choice(["crm:1", "crm:3", ""])
        how = {"reason": "seen", "by": "ana"}
        if self.random.random() < 0.3:
            answers.withdraw("support", "o1")
        elif self.random.random() < 0.5:
            answers.match("support", "o1", account or "crm:1", **how)
        else:
            answers.unmatch("product_db", "p1", account, **how)

    def new_customer(self) -> None:
        world.load("account", world.account("4"))
        world.load("opportunity", world.deal("d4", "4", is_auto_renew=True, notice_months=1))
        self._line("l4", "d4", 600, self._day(200), date(2026, 7, 20))
        world.load("product_account", world.product_account("p4", "4"))
        world.load("usage_day", world.usage("4", "u9", self._day(30), 6))

    def delete_line(self) -> None:
        world.load("contract_line", world.record("l1", deleted=True))
        self.lines.pop("l1", None)

    def full_read(self) -> None:
        world.load("contract_line", *(line() for line in self.lines.values()), full=True)

    def bot(self) -> None:
        whose = {"account_id": "p1", "is_bot": self.random.random() < 0.5}
        world.load("product_user", world.record("u1", **whose))

    def give_notice(self) -> None:
        given = self._day(30)
        world.load("opportunity", world.deal("d3", "3", is_auto_renew=True, notice_given_on=given))

    def euros(self) -> None:
        who = self._account()
        world.load("opportunity", world.deal("d5", who))
        world.load("contract_line", world.line("l5", "d5", 700, self._day(90), date(2027, 1, 1), currency="EUR"))

    def exclude(self) -> None:
        excluded = "".join(
            f"  - {{account: crm:{who}, reason: test, owner: ops, until: 2026-06-{self.random.randint(10, 30)}}}\n"
            for who in self.random.sample("1234", self.random.randint(0, 2))
        )
        self.settings["exclusions"] = f"exclusions:\n{excluded}" if excluded else ""
        self._write_settings()

    def grace(self) -> None:
        self.settings["grace"] = self.random.choice(["default: 30", "default: 5", "default: 30, small: 3"])
        self._write_settings()

    def _write_settings(self) -> None:
        text = f"history_start_months: 3\ngrace_days: {{{self.settings['grace']}}}\n{self.settings['exclusions']}"
        (self.folder / "config" / "settings.yaml").write_text(text)

    def rates(self) -> None:
        rate, later = self.random.choice([1.1, 1.2]), self.random.choice(["", ", 2027: 1.4"])
        rates = f"plan_rates: {{EUR: {{2025: 1.0, 2026: {rate}{later}}}}}\n"
        month, pause = self.random.choice([1, 6]), self.random.choice([90, 10])
        text = f"{rates}fiscal_year_start_month: {month}\npause_days: {pause}\n"
        (self.folder / "config" / "kpis.yaml").write_text(text)

    def features(self) -> None:
        valued = self.random.choice(["[api]", "[api, reports]"])
        (self.folder / "config" / "usage.yaml").write_text(f"value_events: {valued}\nkey_features: [api, reports]\n")

    def redefine(self) -> None:
        """Change a query, or put the shipped one back."""
        name, before, after = self.random.choice(
            [
                ("core/account", "coalesce(v.name, v.account_key)", "upper(v.name)"),
                ("core/usage_day", "u.n_events,", "u.n_events + 1 as n_events,"),
                ("staging/stg_support__ticket", "lower(nullif(trim(status), ''))", "nullif(trim(priority), '')"),
            ]
        )
        place = self.folder / "sql" / name / "query.sql"
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists():
            place.unlink()
        else:
            place.write_text((paths.SQL / name / "query.sql").read_text().replace(before, after, 1))

    def build(self) -> None:
        build.run(f"build {self.now}")

    def die(self) -> None:
        """Plan a build, build some of its tables, and abandon it."""
        if build.plan(f"dead {self.now}"):
            for name in registry.names()[: self.random.randrange(len(registry.names()))]:
                build.build_model(f"dead {self.now}", name)

    def rebuild(self) -> None:
        first = self._day(90)
        build.run(f"rebuild {self.now}", "rebuild", first, first + timedelta(days=self.random.randint(1, 20)))

    def wait(self) -> None:
        self._tick(timedelta(hours=self.random.randint(3, 60)))


def play(seed: int, n_steps: int, server: str, template: str, patch: pytest.MonkeyPatch, folder: Path) -> None:
    with database(server, f"play_{next(_numbers)}", template) as url:
        world.use_short_history(patch, folder)
        patch.setenv("PERENNIAL_DATABASE_URL", url)
        Play(seed, patch, folder).run(n_steps)
        world.assert_equals_scratch(patch)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in (1, 2))])
def test_incremental_build_equals_build_from_scratch(
    seed: int, postgres: str, built_once: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    play(seed, 18, postgres, built_once, monkeypatch, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 140))
def test_incremental_build_equals_build_from_scratch_soak(
    seed: int, postgres: str, built_once: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    play(seed, 40, postgres, built_once, monkeypatch, tmp_path)
