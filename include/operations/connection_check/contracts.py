"""Check a CRM's mapping against its data: ARR against the CRM's own ARR, terms, and the meaning of amounts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from include.common import connections
from include.config import Settings
from include.connectors.mapping import MappingFile, file_of, load_mapping
from include.entities.catalog import of_kind
from include.operations.connection_check.finding import Line, State, errors_as_lines
from include.operations.mapping_proposal import reading, sample
from include.operations.mapping_proposal.amounts import agree, read_amounts, yearly
from include.operations.mapping_proposal.choose import candidates
from include.operations.mapping_proposal.portal import Portal
from include.operations.mapping_proposal.terms import Per, Term, read_ends, whole_months
from include.operations.mapping_proposal.words import SOUGHT

# The newest won deals, with their lines and companies: a few thousand records at most.
MOST_DEALS = 600
_ENTITIES = ("account", "opportunity", "contract_line")
_DAY = timedelta(days=1)
# Share of differences above which a person should look.
_TOLERATED = 0.05


@dataclass(frozen=True)
class ContractSample:
    """The sample as read through a mapping.

    Args:
        portal: The sample.
        lines: Recurring lines of won deals.
        deals: Won deals without lines that have an end or a length.
        companies: Customers with a renewal date.
        names: Entity -> ``arr``, ``mrr``, ``tcv`` -> the CRM's own property for it.
        deal_amounts: Won deal -> its amount.
    """

    portal: Portal
    lines: list[Term]
    deals: list[Term]
    companies: list[Term]
    names: Mapping[str, Mapping[str, str]]
    deal_amounts: Mapping[str, float]


def check(source_id: str, settings: Settings) -> Iterator[Line]:
    """Check the mapping in force on a sample. Yields nothing for sources other than mapped CRMs."""
    source = settings.source(source_id)
    if source is None or source not in settings.crms:
        return
    connection = connections.get(source_id)
    if connection.vendor not in reading.vendors():
        return
    lines: list[Line] = []
    with errors_as_lines(lines, source_id, "contracts"):
        mapping = load_mapping(file_of(source, connection.vendor), [entity.name for entity in of_kind("crm")])
        portal = reading.read(connection, settings, mapping=mapping, most_deals=MOST_DEALS, entities=_ENTITIES)
        lines += findings(source_id, read_sample(portal, mapping))
    yield from lines


def read_sample(portal: Portal, mapping: MappingFile) -> ContractSample:
    """Read a sample through a mapping."""
    rules = {
        entity: mapping.entities[entity].columns
        if entity in mapping.entities and mapping.entities[entity].object in ("", portal.objects.get(entity))
        else {}
        for entity in _ENTITIES
    }
    deals = sample.read("opportunity", portal.won_deals(), rules["opportunity"])
    lines = sample.read("contract_line", portal.relevant("contract_line"), rules["contract_line"])
    companies = sample.read("account", portal.customers(), rules["account"])
    return ContractSample(
        portal,
        sample.line_terms(portal, lines, deals) if rules["contract_line"] else [],
        sample.deal_terms(portal, deals),
        sample.company_terms(portal, companies),
        {entity: _own_figures(portal, entity) for entity in _ENTITIES},
        sample.deal_amounts(portal, deals),
    )


def findings(source_id: str, found: ContractSample) -> Iterator[Line]:
    """Yield the findings on contracts."""
    if not (found.lines or found.deals or found.companies):
        n = len(found.portal.won_deals())
        cure = f"run `connect propose {source_id}` to find where your CRM keeps them"
        yield Line(
            source_id, "contracts", "warning", f"none in {n} won deals and their companies with this mapping", cure
        )
        return
    yield _arr(source_id, found)
    for entity, terms in (("contract_line", found.lines), ("opportunity", found.deals), ("account", found.companies)):
        if dated := [term for term in terms if term.start and term.end]:
            yield _terms(source_id, entity, dated)
    for entity, terms in (("contract_line", found.lines), ("opportunity", found.deals)):
        if terms:
            yield _amounts(source_id, entity, terms, found)


def _own_figures(portal: Portal, entity: str) -> dict[str, str]:
    """Return ``arr``, ``mrr``, ``tcv`` -> the CRM's own property for it."""
    if entity not in portal.schema:
        return {}
    names: dict[str, str] = {}
    for one in SOUGHT:
        key = one.column.removeprefix("contract_").removeprefix("~")
        if one.entity == entity and key in ("arr", "mrr", "tcv"):
            usable = [each for each in candidates(portal, one) if each.is_usable]
            names |= {key: usable[0].profile.about.name} if usable else {}
    return names


def _arr(source_id: str, found: ContractSample) -> Line:
    """Compare today's ARR with the CRM's own."""
    ours, counts = _of_today(found)
    by_origin = ", ".join(f"{n:,} {origin}" for origin, n in counts.items()) or "no running term"
    total = f"ARR of {len(ours):,} companies in the sample, {_money(sum(ours.values()))} ({by_origin})"
    own, name = _own_arr(found, counts)
    both = [company for company in ours if company in own]
    if not both:
        return Line(source_id, "contracts: ARR", "ok", f"{total}; the CRM has no ARR of its own to compare with")
    off = [company for company in both if not agree(ours[company], own[company])]
    compared = (
        f"{total}; for {len(both):,} of them the CRM's own {name} is {_money(sum(own[one] for one in both))}"
        f" and ours {_money(sum(ours[one] for one in both))}; {len(off):,} differ by more than 1%"
    )
    state: State = "warning" if len(off) > _TOLERATED * len(both) else "ok"
    cure = _why([ours[one] / own[one] for one in off if own[one]]) if state == "warning" else ""
    return Line(source_id, "contracts: ARR", state, compared, cure)


def _of_today(found: ContractSample) -> tuple[dict[str, float], dict[str, int]]:
    """Return company -> today's ARR, and the number of terms per origin.

    A company's own fields count only if neither its lines nor its deals gave an ARR.
    """
    today, parents = found.portal.today, {deal.id: deal.parent for deal in found.portal.won_deals()}
    totals: dict[str, float] = {}
    counts: dict[str, int] = {}
    for origin, terms in (("lines", found.lines), ("deals", found.deals), ("companies", found.companies)):
        before = set(totals) if origin == "companies" else set()
        for term in terms:
            company = parents.get(term.deal or term.id, "") if origin != "companies" else term.id
            value = yearly(term, term.per)
            if not company or company in before or value is None or not _runs(term, today):
                continue
            totals[company] = totals.get(company, 0.0) + value
            counts[origin] = counts.get(origin, 0) + 1
    return totals, counts


def _runs(term: Term, today: date) -> bool:
    until = term.until()
    return (term.start is None or term.start <= today) and until is not None and until > today


def _own_arr(found: ContractSample, counts: Mapping[str, int]) -> tuple[dict[str, float], str]:
    """Return company -> the CRM's own ARR, from the company's property or else from the lines that run today."""
    names, portal = found.names["account"], found.portal
    if names and "companies" not in counts:
        own = sample.crm_yearly(portal.customers(), (), names)
        if own:
            return own, f"companies' {names.get('arr') or names.get('mrr')}"
    totals: dict[str, float] = {}
    parents = {deal.id: deal.parent for deal in portal.won_deals()}
    used: list[str] = []
    for entity, terms in (("contract_line", found.lines), ("opportunity", found.deals)):
        running = [term for term in terms if _runs(term, portal.today)]
        own = sample.crm_yearly(portal.relevant(entity), running, found.names[entity])
        for term in running:
            if term.id in own and (company := parents.get(term.deal or term.id)):
                totals[company] = totals.get(company, 0.0) + own[term.id]
        used += found.names[entity].values() if running else ()
    return totals, ", ".join(dict.fromkeys(used))


def _why(ratios: Sequence[float]) -> str:
    """Return the likely reason why our ARR differs from the CRM's."""
    for factor, reason in (
        (12.0, "ours is twelve times as much: yearly amounts are read as monthly"),
        (1 / 12, "ours is a twelfth: monthly amounts are read as yearly"),
    ):
        if ratios and sum(abs(one / factor - 1) < 0.02 for one in ratios) > len(ratios) / 2:
            return f"{reason}; correct amount_per in the mapping"
    whole = sum(any(abs(one - n) < 0.02 or abs(one - 1 / n) < 0.02 for n in (2, 3, 4, 5)) for one in ratios)
    if ratios and whole > len(ratios) / 2:
        return "they differ by whole years: amounts of a term are read as yearly, or the reverse"
    larger = sum(one > 1 for one in ratios)
    if larger > 0.8 * len(ratios):
        return (
            "ours is higher: one-time lines may count as recurring, or old and new terms overlap; check some accounts"
        )
    return "check some accounts: the CRM's own figure may be kept by hand, or include deals outside the sample"


def _terms(source_id: str, entity: str, terms: Sequence[Term]) -> Line:
    """Check whether terms are a whole number of months with the ends as mapped."""
    ends = read_ends(terms)
    early = sum(
        bool(whole_months(term.start, term.end - _DAY)) and not whole_months(term.start, term.end)
        for term in terms
        if term.start and term.end and term.end - _DAY > term.start
    )
    wrong = sum(bool(term.start and term.end and term.end <= term.start) for term in terms)
    column = "renewal_date" if entity == "account" else "term_end"
    whole = sum(bool(term.start and term.end and whole_months(term.start, term.end)) for term in terms)
    text = f"{whole / len(terms):.0%} of {len(terms):,} terms are a whole number of months"
    text += f"; {ends.a_day_later} would be if they ended a day later" if ends.a_day_later else ""
    text += f"; {early} if a day earlier" if early else ""
    text += f"; {wrong} end before they start" if wrong else ""
    cure = ""
    if ends.a_day_later > max(whole, early):
        cure = f"{entity}.{column} seems to be the last day of the term: write add_days: 1"
    elif early > max(whole, ends.a_day_later):
        cure = f"{entity}.{column} already seems to be the day after: remove add_days"
    elif wrong > _TOLERATED * len(terms):
        cure = f"check whether {entity}'s start and end are mapped from the right properties"
    return Line(source_id, f"contracts: {entity} terms", "warning" if cure else "ok", text, cure)


def _amounts(source_id: str, entity: str, terms: Sequence[Term], found: ContractSample) -> Line:
    """Check whether amounts have the meaning that the mapping gives them."""
    rows = found.portal.relevant(entity)
    own = sample.crm_yearly(rows, terms, found.names[entity])
    usual: Per = Counter(term.per for term in terms).most_common(1)[0][0]
    meaning = read_amounts(terms, own, found.deal_amounts if entity == "contract_line" else {}, usual)
    what = f"contracts: {entity} amounts"
    off = [
        term
        for term in terms
        if (ours := yearly(term, term.per)) and (other := yearly(term, meaning.per)) and not agree(ours, other)
    ]
    if not meaning.is_sure or len(off) <= _TOLERATED * len(terms):
        sure = "" if meaning.is_sure else "not confirmed by the sample: "
        return Line(source_id, what, "ok", f"read as per {usual}; {sure}{meaning.evidence}")
    cure = f"write `amount_per: {{always: {meaning.per}}}` in the mapping: {len(off):,} of {len(terms):,} would change"
    return Line(source_id, what, "warning", f"read as per {usual}, but {meaning.evidence}", cure)


def _money(amount: float) -> str:
    return f"{amount / 1e6:,.2f} million" if abs(amount) >= 1e6 else f"{amount:,.0f}"
