"""Generate the query of ``marts.health_score`` from ``sql/health``. ``include.scores.health`` explains the same score.

Every measure is a column, and every version of a profile an arm of its ``case``, so there is no row per measure.
``offset 0`` keeps PostgreSQL from inlining the columns of one step into the next, which would double their size with
each step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from include.models import health, health_peer_query
from include.models.health import Definition, Measure, Profile

FOLDER = "marts/health_score"
SOURCE = "sql/health"
_TINY = "1e-9"
_HEAD = """\
-- Purpose: the health score of each account and day, with everything that determines its band.
-- Grain: customer account and day. Inputs: the score's inputs, the measures that no source provides, and the peers'
-- quantiles at the close of the previous month. Window: days [start, end).
-- Caveats: generated from sql/health. The weight of an unknown or outdated measure goes to the others and lowers the
-- coverage; below a minimum coverage the band is unknown. include/scores/health explains each score.
"""
_WINDOW = (
    "    where day >= :start and day < :end\n"
    "        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))"
)
_KEYS = ("account_key", "day", "profile_key", "is_paused")


def text() -> str:
    """Return the query for the definitions in force."""
    return _Query(health.load()).text()


def _step(name: str, columns: Sequence[str], source: str) -> str:
    listed = ",\n        ".join(columns)
    return f"{name} as (\n    select\n        {listed}\n    from {source}\n    offset 0\n)"


def _sum(terms: Iterable[str]) -> str:
    return " + ".join(terms) or "0"


@dataclass(frozen=True)
class _Query:
    known: Definition

    @cached_property
    def measures(self) -> list[str]:
        return list(dict.fromkeys(each.id for profile in self.known.profiles for each in profile.measures))

    @cached_property
    def groups(self) -> list[str]:
        return list(dict.fromkeys(name for profile in self.known.profiles for name in profile.groups))

    def text(self) -> str:
        steps = [
            self._gaps(),
            f"chosen as (\n    select *, {health_peer_query.choice(self.known)} as profile_key\n"  # noqa: S608 - checked
            f"    from {health.INPUT}\n{_WINDOW}\n)",
            *self._peers(),
            _step("readings", [*_KEYS, *self._readings()], "compared\n    cross join gaps"),
            _step("parts", ["*", *self._parts()], "readings"),
            _step("sums", [*_KEYS, *self._sums()], "parts"),
            *self._limits(),
            _step("scored", ["*", *self._scored()], "weighed"),
        ]
        made, columns = ",\n\n".join(steps), ",\n    ".join(self._selected())
        return f"{_HEAD}with {made}\n\nselect\n    {columns}\nfrom scored\n"

    def _case(self, render: Callable[[Profile], str | None], otherwise: str = "null") -> str:
        """Return a ``case`` over the profiles. Profiles with the same SQL share an arm."""
        by_text: dict[str, list[str]] = {}
        for profile in self.known.profiles:
            text = render(profile)
            by_text.setdefault(otherwise if text is None else text, []).append(f"'{profile.key}'")
        if len(by_text) == 1:
            return next(iter(by_text))
        arms = (f"when profile_key in ({', '.join(keys)}) then {text}" for text, keys in by_text.items())
        return f"case {' '.join(arms)} end"

    def _per_measure(self, name: str, render: Callable[[Profile, Measure], str], otherwise: str = "null") -> str:
        def text(profile: Profile) -> str | None:
            found = next((each for each in profile.measures if each.id == name), None)
            return render(profile, found) if found else None

        return self._case(text, otherwise)

    def _gaps(self) -> str:
        columns = ",\n        ".join(
            f"coalesce(max(case when metric_id = '{health.GAP}{name}' then 1 end), 0) as gap_{name}"
            for name in self.measures
        )
        return (
            f"gaps as (\n    select\n        {columns}\n"
            "    from meta.metric_gap\n    where from_day = date '1990-01-01'\n)"
        )

    def _peers(self) -> list[str]:
        """Return the steps that join the quantiles of an account's peers: tier and age, tier alone, or all."""
        names = [name for name in self.measures if any(measure == name for _, measure in self.known.peers)]
        months = (
            "peers as (\n    select q.*, c.month_start\n    from marts.health_peer as q\n"
            "    join meta.calendar as c on c.day = q.month_end + 1\n"
            "    where q.month_end >= cast(:start as date) - 31 and q.month_end < :end\n)"
        )
        if not names:
            return [months, "compared as (\n    select * from chosen\n)"]
        pivoted = [
            f"max(case when measure = '{name}' then p{n} end) as p{n}_{name}"
            for name in names
            for n in health_peer_query.POSITIONS
        ]
        listed = ",\n        ".join(pivoted)
        groups = (
            f"peer_groups as (\n    select\n        month_start, profile || '@' || version as profile_key,"
            f" tier as peer_tier, age_band as peer_age,\n        {listed}\n    from peers\n    group by 1, 2, 3, 4\n)"
        )
        columns = [
            f"coalesce({', '.join(f'{each}.p{n}_{name}' for each in ('a', 'b', 'e'))}) as p{n}_{name}"
            for name in names
            for n in health_peer_query.POSITIONS
        ]
        raw = [f"{self._per_measure(name, self._compared)} as r_{name}" for name in names]
        dated = (
            "dated as (\n    select h.*, c.month_start\n    from chosen as h\n"
            "    join meta.calendar as c on c.day = h.day\n)"
        )
        keyed = _step(
            "keyed",
            ["*", f"{health_peer_query.TIER} as of_tier", f"{health_peer_query.age_band()} as of_age", *raw],
            "dated",
        )
        joined = (
            "keyed as k\n"
            "    left join peer_groups as a on a.month_start = k.month_start and a.profile_key = k.profile_key\n"
            "        and a.peer_tier = k.of_tier and a.peer_age = k.of_age\n"
            "    left join peer_groups as b on b.month_start = k.month_start and b.profile_key = k.profile_key\n"
            "        and b.peer_tier = k.of_tier and b.peer_age = ''\n"
            "    left join peer_groups as e on e.month_start = k.month_start and e.profile_key = k.profile_key\n"
            "        and e.peer_tier = '' and e.peer_age = ''"
        )
        return [months, groups, dated, keyed, _step("compared", ["k.*", *columns], joined)]

    def _readings(self) -> list[str]:
        def weight(profile: Profile, measure: Measure) -> str:
            condition = self.known.conditions.get((profile.key, measure.id))
            return f"case when {condition} then {measure.weight!r} else 0 end" if condition else repr(measure.weight)

        columns = []
        for name in self.measures:
            value = self._per_measure(name, self._value)
            age = self._per_measure(name, lambda _, m: f"coalesce(day - {m.dated}, 0)" if m.dated else "0", "0")
            columns += [
                f"{value} as x_{name}",
                f"{age} as age_{name}",
                f"cast({self._per_measure(name, weight, '0')} as double precision) * (1 - gap_{name}) as w_{name}",
            ]
        for name in dict.fromkeys(each.id for profile in self.known.profiles for each in profile.ceilings):
            condition = self._case(
                lambda profile, name=name: (
                    f"({found}) is true"  # type: ignore[misc]
                    if (found := self.known.conditions.get((profile.key, name)))
                    else None
                ),
                "false",
            )
            columns.append(f"{condition} as c_{name}")
        return columns

    def _compared(self, profile: Profile, measure: Measure) -> str:
        of = (profile.key, measure.id)
        return self.known.values[of] if of in self.known.peers else "null"

    def _value(self, profile: Profile, measure: Measure) -> str:
        if (profile.key, measure.id) not in self.known.peers:
            return self.known.values[profile.key, measure.id]
        quantiles = [f"p{n}_{measure.id}" for n in health_peer_query.POSITIONS]
        return health_peer_query.position(f"r_{measure.id}", quantiles)

    def _parts(self) -> list[str]:
        """Return each measure's sub-score, and its weight reduced by age."""

        def fresh(_: Profile, measure: Measure) -> str:
            left = f"({measure.gone_days} - age_{measure.id}) / {measure.gone_days - measure.fresh_days}.0"
            return f"w_{measure.id} * greatest(0, least(1, {left}))"

        columns = []
        for name in self.measures:
            columns += [
                f"{self._per_measure(name, lambda _, measure: _sub_score(measure))} as s_{name}",
                f"case when x_{name} is null then 0 else {self._per_measure(name, fresh, '0')} end as wa_{name}",
            ]
        return columns

    def _sums(self) -> list[str]:
        """Return three sums per group: known weight (t), full weight (v), known weight times sub-score (p)."""
        columns = []
        for group in self.groups:
            for prefix, term in (("t", "wa_{0}"), ("v", "w_{0}"), ("p", "wa_{0} * coalesce(s_{0}, 0)")):
                terms = self._case(
                    lambda profile, term=term, group=group: _sum(  # type: ignore[misc]
                        term.format(each.id) for each in profile.measures if each.group == group
                    )
                )
                columns.append(f"cast({terms} as double precision) as {prefix}_{group}")
        lowest = self._case(
            lambda profile: (
                f"least({', '.join(f'case when c_{c.id} then {c.at_most!r} end' for c in profile.ceilings)})"
                if profile.ceilings
                else "null"
            )
        )
        return [*columns, f"cast({lowest} as double precision) as ceiling"]

    def _limits(self) -> list[str]:
        """Return the steps that limit groups to their largest share, one step per group with a limit.

        Columns per group: l, its largest share; h, its share; f, whether it is limited. The excess of a limited group
        goes to the others in proportion, which may lift one of them above its own limit.
        """
        groups = self.groups

        def limit(group: str) -> str:
            return self._case(lambda p: repr(p.groups[group].max_weight / 100) if group in p.groups else None, "1")

        total, listed = _sum(f"t_{group}" for group in groups), _sum(f"v_{group}" for group in groups)
        start = [f"{total} as total", f"{listed} as listed"]
        for group in groups:
            start += [
                f"{limit(group)} as l_{group}",
                f"false as f0_{group}",
                f"t_{group} / nullif({total}, 0) as h0_{group}",
            ]
        steps = [_step("round_0", ["*", *start], "sums")]
        n_rounds = sum(
            any(group in p.groups and p.groups[group].max_weight < 100 for p in self.known.profiles) for group in groups
        )
        for n in range(1, n_rounds + 1):
            steps += _round(n, groups)
        fits = " and ".join(f"fits_{n}" for n in range(1, n_rounds + 1)) or "true"
        mean = _sum(f"coalesce(h{n_rounds}_{group} * p_{group} / nullif(t_{group}, 0), 0)" for group in groups)
        plain = f"({_sum(f'p_{group}' for group in groups)}) / total"
        weighed = [
            f"{fits} as is_within",
            f"case when total > {_TINY} then case when {fits} then {mean} else {plain} end end as mean",
        ]
        return [*steps, _step("weighed", ["*", *weighed], f"round_{n_rounds}")]

    def _scored(self) -> list[str]:
        rounded = "round(cast(mean as numeric), 2)"
        arms = ["when mean is null then 'no_data'", "when is_paused then 'paused'"]
        for group in self.groups:
            needed = self._case(lambda p, group=group: repr(p.groups[group].needed) if group in p.groups else None, "0")  # type: ignore[misc]
            if needed not in ("0", "0.0"):
                arms.append(f"when t_{group} < {needed} * v_{group} - {_TINY} then 'little_data:{group}'")
        floor = self._case(lambda profile: repr(profile.floor))
        arms += [
            f"when total / nullif(listed, 0) < {floor} - {_TINY} then 'little_data'",
            "when not is_within then 'one_group'",
        ]
        lines = "\n            ".join([*arms, "else ''"])
        return [
            f"cast({rounded} as numeric(18, 2)) as score",
            f"cast(case when mean is not null then least({rounded}, cast(ceiling as numeric)) end as numeric(18, 2))"
            " as computed",
            "total / nullif(listed, 0) as coverage",
            f"case\n            {lines}\n        end as unknown_reason",
        ]

    def _selected(self) -> list[str]:
        sides, edges = [], []
        for at, name in enumerate(("yellow", "green")):
            edge = self._case(lambda profile, at=at: repr(profile.bands.edges[at]))  # type: ignore[misc]
            rise, plunge = (self._case(lambda p, of=of: repr(getattr(p.bands, of))) for of in ("rise_by", "plunge_by"))  # type: ignore[misc]
            edges.append(f"cast({edge} as numeric(18, 2)) as {name}_from")
            sides.append(
                "cast(case\n"
                "        when unknown_reason <> '' then null\n"
                f"        when computed < {edge} - {plunge} or (computed < {edge} and computed < score) then -2\n"
                f"        when computed < {edge} then -1\n"
                f"        when computed >= {edge} + {rise} then 2\n"
                f"        else 1\n    end as integer) as {name}_side"
            )
        profile, version, hold = (
            self._case(render)
            for render in (lambda p: f"'{p.name}'", lambda p: str(p.version), lambda p: str(p.bands.hold_days))
        )
        return [
            "account_key",
            "day",
            f"cast({profile} as text) as profile",
            f"cast({version} as integer) as version",
            "score",
            "cast(coverage as double precision) as coverage",
            "cast(case when mean is not null then ceiling end as numeric(18, 2)) as ceiling",
            "computed",
            "unknown_reason",
            *sides,
            *edges,
            f"cast({hold} as integer) as hold_days",
        ]


def _sub_score(measure: Measure) -> str:
    return piecewise(f"x_{measure.id}", measure.points)


def piecewise(x: str, points: Sequence[tuple[float, float]]) -> str:
    """Return the SQL of a piecewise linear function, constant beyond its points; null where ``x`` is null.

    Args:
        x: Name of a column.
        points: Pairs of value and score, by rising value.
    """
    arms = [f"when {x} <= {points[0][0]!r} then {points[0][1]!r}"]
    for (x0, y0), (x1, y1) in pairwise(points):
        slope = (y1 - y0) / (x1 - x0)
        arms.append(f"when {x} <= {x1!r} then {y0!r} + ({x} - {x0!r}) * cast({slope!r} as double precision)")
    return f"case {' '.join(arms)} when {x} is not null then {points[-1][1]!r} end"


def _round(n: int, groups: Sequence[str]) -> list[str]:
    """Return one round: flag groups above their limit, compute the free share, and distribute it to the others."""
    flags = [f"f{n - 1}_{group} or h{n - 1}_{group} > l_{group} + {_TINY} as f{n}_{group}" for group in groups]
    taken = " - ".join(f"case when f{n}_{group} then l_{group} else 0 end" for group in groups)
    others = _sum(f"case when f{n}_{group} then 0 else t_{group} end" for group in groups)
    is_any = " or ".join(f"f{n}_{group}" for group in groups)
    shares = [
        f"case when not any_{n} or others_{n} <= {_TINY} then h{n - 1}_{group} when f{n}_{group} then l_{group}"
        f" else t_{group} * free_{n} / others_{n} end as h{n}_{group}"
        for group in groups
    ]
    fits = f"not any_{n} or others_{n} > {_TINY} or free_{n} <= {_TINY} as fits_{n}"
    return [
        _step(f"flags_{n}", ["*", *flags], f"round_{n - 1}"),
        _step(
            f"free_{n}",
            ["*", f"1 - {taken} as free_{n}", f"{others} as others_{n}", f"{is_any} as any_{n}"],
            f"flags_{n}",
        ),
        _step(f"round_{n}", ["*", *shares, fits], f"free_{n}"),
    ]
