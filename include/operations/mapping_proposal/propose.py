"""Build a proposal from a sample: contract storage, columns, what amounts cover, and whether ends are inclusive."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from include.connectors.mapping import ColumnRule
from include.entities.catalog import ENTITIES
from include.operations.mapping_proposal import by_values, sample, shipped, storage
from include.operations.mapping_proposal.amounts import Meaning, read_amounts
from include.operations.mapping_proposal.choose import Decision, choose
from include.operations.mapping_proposal.pipelines import RenewalPipeline, renewal_pipelines
from include.operations.mapping_proposal.portal import Portal
from include.operations.mapping_proposal.reading import ENTITIES_READ
from include.operations.mapping_proposal.storage import Storage
from include.operations.mapping_proposal.terms import Per, Term, later, read_ends, read_month_ends
from include.operations.mapping_proposal.values import Profile, number, value_of
from include.operations.mapping_proposal.words import SOUGHT

_SOUGHT = {(one.entity, one.column) for one in SOUGHT}
# Their meaning is decided here, not copied from the shipped mapping.
_DECIDED_HERE = {("contract_line", "is_recurring"), ("contract_line", "amount_per"), ("opportunity", "amount_per")}


@dataclass
class Proposal:
    """The proposal for one CRM.

    Args:
        portal: The sample.
        decisions: One per column, in force or unsure.
        storage: Where the CRM keeps contracts.
        pipelines: The renewal pipelines.
        missing: Column -> the cost of having no property for it.
    """

    portal: Portal
    decisions: list[Decision] = field(default_factory=list)
    storage: list[Storage] = field(default_factory=list)
    pipelines: list[RenewalPipeline] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)

    def of(self, entity: str, column: str) -> Decision | None:
        """Return the decision in force for a column."""
        return next(
            (
                one
                for one in self.decisions
                if (one.entity, one.column) == (entity, column) and one.confidence != "unsure"
            ),
            None,
        )

    def rules(self, entity: str) -> dict[str, ColumnRule]:
        """Return the mapping rules in force for an entity."""
        return {
            one.column: rule_of(one)
            for one in self.decisions
            if one.entity == entity and one.confidence != "unsure" and not one.column.startswith("~")
        }

    def known(self, entity: str) -> dict[str, str]:
        """Return column -> property, for the rules in force of an entity."""
        return {column: rule.property for column, rule in self.rules(entity).items() if rule.property}

    def put(self, decision: Decision) -> None:
        """Replace the decision for a column."""
        kept = [one for one in self.decisions if (one.entity, one.column) != (decision.entity, decision.column)]
        self.decisions = [*kept, decision]

    def evidence(self, entity: str) -> dict[str, str]:
        """Return ``arr``, ``mrr``, ``tcv`` -> the CRM's own property for it."""
        return {
            one.column[1:]: one.property
            for one in self.decisions
            if one.entity == entity and one.column.startswith("~") and one.confidence != "unsure"
        }


def rule_of(decision: Decision) -> ColumnRule:
    """Convert a decision into a mapping rule."""
    return ColumnRule(property=decision.property, **decision.rule)


def propose(portal: Portal) -> Proposal:
    proposal = Proposal(portal, [*_standard(portal), *choose(portal)])
    _use_cpq(proposal)
    _by_values(proposal)
    for entity in ("opportunity", "contract_line"):
        _check_length(proposal, entity)
    _recurring(proposal)
    proposal.storage = storage.detect(portal, *_terms(proposal))
    # An object that stands in for lines is treated as lines.
    used = {"L" if one.letter == "K" else one.letter for one in proposal.storage if one.is_used}
    if "L" not in used:
        proposal.decisions = [one for one in proposal.decisions if one.entity != "contract_line"]
    if "C" not in used:
        _drop_company(proposal)
    _ends(proposal, used)
    _amounts(proposal, used)
    if "C" in used:
        _company_amounts(proposal)
    proposal.pipelines = renewal_pipelines(portal)
    proposal.missing = _missing(proposal, used)
    return proposal


def _standard(portal: Portal) -> list[Decision]:
    """Return the columns that standard fields fill, as in the shipped mapping."""
    found = []
    for entity, mapping in shipped.columns_of(portal.vendor).items():
        if entity not in ENTITIES_READ or entity not in portal.schema or entity in portal.objects:
            continue
        for column, rule in mapping.columns.items():
            if (entity, column) in _SOUGHT | _DECIDED_HERE or rule.property not in portal.schema[entity]:
                continue
            given = rule.model_dump(exclude_defaults=True, exclude={"property"})
            profile = Profile(portal.schema[entity][rule.property], portal.relevant(entity), portal.today)
            is_read = bool(profile.rows) and column not in ENTITIES[entity].sensitive
            evidence = f"the vendor's own, filled in {profile.share:.0%}" if is_read else "the vendor's own"
            found.append(Decision(entity, column, rule.property, given, evidence=evidence))
    return found


def _by_values(proposal: Proposal) -> None:
    """Propose columns by values where names decide nothing."""
    portal = proposal.portal
    for entity in ("account", "opportunity", "contract_line"):
        if entity in portal.schema:
            for look in (by_values.dates, by_values.length):
                for one in look(portal, entity, proposal.known(entity)):
                    proposal.put(one)
    if "account" in portal.schema:
        for one in by_values.yearly_and_monthly(portal, proposal.known("account")):
            proposal.put(one)


def _use_cpq(proposal: Proposal) -> None:
    """Use Salesforce CPQ subscriptions as lines if there are any, mapped as in the shipped file."""
    portal = proposal.portal
    if "contract_line" not in portal.objects:
        return
    proposal.decisions = [one for one in proposal.decisions if one.entity != "contract_line"]
    for entity in ("opportunity", "contract_line"):
        for column, rule in shipped.columns_of(shipped.CPQ)[entity].columns.items():
            is_theirs = entity == "contract_line" or "SBQQ__" in rule.property
            if is_theirs and (not rule.property or rule.property in portal.schema[entity]):
                left_out = {"property", "add_days"}
                if rule.preferred not in portal.schema[entity]:
                    left_out.add("preferred")
                given = rule.model_dump(exclude_defaults=True, exclude=left_out)
                proposal.put(Decision(entity, column, rule.property, given, evidence="as in Salesforce CPQ"))


def _terms(proposal: Proposal) -> tuple[list[Term], list[Term], list[Term]]:
    """Return the terms of lines, deals and companies, by the rules in force so far."""
    portal = proposal.portal
    deals = sample.read("opportunity", portal.won_deals(), proposal.rules("opportunity"))
    lines = sample.read("contract_line", portal.relevant("contract_line"), proposal.rules("contract_line"))
    companies = sample.read("account", portal.customers(), proposal.rules("account"))
    return (
        sample.line_terms(portal, lines, deals),
        sample.deal_terms(portal, deals),
        sample.company_terms(portal, companies),
    )


def _check_length(proposal: Proposal, entity: str) -> None:
    """Compare plain term lengths with the dates: they may be years."""
    one = proposal.of(entity, "term_months")
    if one is None or one.rule:
        return
    rows = proposal.portal.relevant(entity)
    given = [found for row in rows if (found := number(value_of(row, one.property))) is not None]
    if not given or max(given) > 5:
        return
    values = sample.read(entity, rows, proposal.rules(entity))
    dated = [
        term for term in values.values() if term.get("term_start") and term.get("term_end") and term.get("term_months")
    ]
    in_years = [
        abs((later(term["term_start"], 12 * term["term_months"]) - term["term_end"]).days) <= 1 for term in dated
    ]
    if len(in_years) >= 3 and sum(in_years) >= 0.8 * len(in_years):
        table = {f"{n:g}": str(int(n) * 12) for n in sorted(set(given))}
        proposal.put(
            replace(one, rule={"values": table}, evidence=f"{one.evidence}; the dates show that these are years")
        )
    else:
        proposal.put(one.as_question(f"{one.property} holds {min(given):.0f} to {max(given):.0f}: months or years?"))


def _recurring(proposal: Proposal) -> None:
    """Decide which lines recur: those with a billing frequency, else those with a term."""
    if "contract_line" not in proposal.portal.schema or proposal.of("contract_line", "is_recurring"):
        return
    rows = proposal.portal.relevant("contract_line")
    for column in ("billing_frequency", "term_start", "term_end", "term_months"):
        one = proposal.of("contract_line", column)
        if one is None:
            continue
        n = sum(value_of(row, one.property) not in (None, "") for row in rows)
        if n < 0.1 * len(rows):
            continue
        evidence = f"{n} of {len(rows)} lines have one; the others are one-time"
        proposal.put(Decision("contract_line", "is_recurring", one.property, {"is_set": True}, "high", evidence))
        return


def _drop_company(proposal: Proposal) -> None:
    """Drop company fields that hold no contracts: a single field, or one that is hardly ever filled."""
    columns = ("contract_arr", "contract_mrr", "contract_start", "renewal_date", "contract_status", "contract_currency")
    for one in list(proposal.decisions):
        if one.entity != "account" or one.column not in columns or one.confidence == "unsure":
            continue
        if one.column in ("contract_arr", "contract_mrr", "renewal_date"):
            proposal.put(one.as_question("contracts do not seem to be kept on companies; map it if they are"))
        else:
            proposal.decisions.remove(one)


def _ends(proposal: Proposal, used: set[str]) -> None:
    """Convert ends that are last days into the day after."""
    lines, deals, companies = _terms(proposal)
    for entity, column, terms, letter in (
        ("contract_line", "term_end", lines, "L"),
        ("opportunity", "term_end", deals, "D"),
        ("account", "renewal_date", companies, "C"),
    ):
        one = proposal.of(entity, column)
        if one is None or letter not in used:
            continue
        ends = read_ends(terms)
        if ends.as_given + ends.a_day_later < 3:
            ends = read_month_ends([term.end for term in terms if term.end])
        rule = one.rule | ({"add_days": 1} if ends.add_days else {})
        sure = one.confidence if ends.is_sure else "medium"
        evidence = f"{one.evidence}; {ends}" + (
            "" if ends.is_sure else "; please check: one day off is tolerated for whole months"
        )
        proposal.put(replace(one, rule=rule, confidence=sure, evidence=evidence))


def _amounts(proposal: Proposal, used: set[str]) -> None:
    """Decide what period the amounts of lines and deals cover."""
    portal = proposal.portal
    lines, deals, _ = _terms(proposal)
    amounts = sample.deal_amounts(portal, sample.read("opportunity", portal.won_deals(), proposal.rules("opportunity")))
    if "L" in used and not portal.objects:  # CPQ's prices mean the same everywhere
        own = sample.crm_yearly(portal.relevant("contract_line"), lines, proposal.evidence("contract_line"))
        usual: Per = "period" if portal.vendor == "hubspot" else "term"
        _put_meaning(proposal, "contract_line", read_amounts(lines, own, amounts, usual), usual)
    if "D" in used:
        own = sample.crm_yearly(portal.won_deals(), deals, proposal.evidence("opportunity"))
        _put_meaning(proposal, "opportunity", read_amounts(deals, own, {}), "term")


def _put_meaning(proposal: Proposal, entity: str, meaning: Meaning, usual: Per) -> None:
    found = Decision(entity, "amount_per", "", {"always": meaning.per}, "high", meaning.evidence)
    if not meaning.is_sure and meaning.per == usual == "period":
        found = replace(found, confidence="medium", evidence=f"{meaning.evidence}; as documented by HubSpot")
    elif not meaning.is_sure:
        found = found.as_question(f"does the amount cover the whole term, a year or a month? {meaning.evidence}")
    proposal.put(found)


def _company_amounts(proposal: Proposal) -> None:
    """Compare companies' ARR with their MRR and their deals: it may be the amount of the whole term."""
    portal, one, mrr = proposal.portal, proposal.of("account", "contract_arr"), proposal.of("account", "contract_mrr")
    if one is None:
        return
    _, _, terms = _terms(proposal)
    own: dict[str, float] = _of_companies(proposal)
    if mrr is not None:
        own |= {row.id: 12 * value for row in portal.customers() if (value := number(value_of(row, mrr.property)))}
    meaning = read_amounts(terms, own, {}, "year")
    if meaning.per == "year" or not meaning.is_sure:
        checked = meaning.evidence if own else "nothing to compare it with"
        proposal.put(replace(one, evidence=f"{one.evidence}; {checked}"))
        return
    cure = f"{mrr.property} is used instead" if mrr else "map a property with the yearly amount"
    proposal.put(one.as_question(f"its values are per {meaning.per}, not per year ({meaning.evidence}): {cure}"))


def _of_companies(proposal: Proposal) -> dict[str, float]:
    """Return company -> yearly amount by its newest won deal that has one."""
    portal, names = proposal.portal, proposal.evidence("opportunity")
    deals = sorted(portal.won_deals(), key=lambda row: str(row.values.get("closedate") or row.values.get("CloseDate")))
    own = sample.crm_yearly(deals, (), names)
    return {deal.parent: own[deal.id] for deal in deals if deal.parent and deal.id in own}


def _missing(proposal: Proposal, used: set[str]) -> dict[str, str]:
    costs = {f"{one.entity}.{one.column}": one.cost for one in SOUGHT if one.cost}
    missing = {
        name: cost
        for name, cost in costs.items()
        if name.partition(".")[0] in proposal.portal.schema and proposal.of(*name.split(".")) is None
    }
    if not used:
        missing["contracts"] = "no contracts were found: no ARR, no renewals"
    return missing
