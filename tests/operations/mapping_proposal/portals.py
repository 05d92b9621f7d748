"""The portals by age: the proposal was developed on seven; nine were added later, three at a time."""

from __future__ import annotations

from tests.operations.mapping_proposal.by_company import chinese_company, english_company_mrr, german_company
from tests.operations.mapping_proposal.by_deal import (
    chinese_deals,
    english_deals_in_years,
    german_deals,
    salesforce_deals,
)
from tests.operations.mapping_proposal.by_line import chinese_lines, english_lines, salesforce_lines
from tests.operations.mapping_proposal.by_line_too import (
    chinese_salesforce,
    german_lines,
    german_lines_and_companies,
    salesforce_cpq,
)

SEVEN = (
    english_lines,
    german_deals,
    chinese_company,
    german_company,
    english_deals_in_years,
    chinese_lines,
    salesforce_lines,
)
THREE = (german_lines_and_companies, chinese_deals, salesforce_deals)
THREE_MORE = (english_company_mrr, german_lines, chinese_salesforce)
# Mapped like the shipped file, since CPQ's fields are the same everywhere.
CPQ = (salesforce_cpq,)
