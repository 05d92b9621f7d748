"""Three portals more, written when the proposal was there: what it makes of customs that it was not built on."""

from __future__ import annotations

from tests.operations.mapping_proposal.world import DAY, Case, choice, hubspot, prop, salesforce, sold

_BOUGHT = {"lifecyclestage": "customer", "createdate": "2023-01-05T10:00:00.000Z"}


def german_lines_and_companies() -> Case:
    """L and C: odd terms with last days, amount of a year, notice as a sentence, ARR and renewal date also on the company."""
    made = hubspot(8)
    made.add("contract_line", prop("leistungszeitraum_von", "Leistungszeitraum von", "date"), prop("leistungszeitraum_bis", "Leistungszeitraum bis", "date"))  # fmt: skip
    made.add("opportunity", prop("vertragsnr", "Vertrags-Nr."), prop("kuendigung", "Kündigungsfrist in Monaten"),
             choice("auftragstyp", "Auftragstyp", {"1": "Neugeschäft", "2": "Verlängerung", "3": "Cross-/Upselling"}),
             prop("kundennummer", "Kundennummer"), prop("letzte_verlaengerung", "Datum letzte Verlängerung", "date"))  # fmt: skip
    made.add("account", prop("arr_aktuell", "ARR aktuell (EUR)", "number"), prop("verlaengerung_zum", "Verlängerung zum", "date"),
             prop("arr_vorjahr", "ARR Vorjahr", "number"))  # fmt: skip
    kinds = {"new": "1", "renewal": "2", "expansion": "3"}
    newest = {}
    for s in sold(made.rng, 45, (12, 24, 36), products=("Basis", "Profi"), odd=True):
        newest[s.company] = s if s.kind != "expansion" else newest[s.company]
        made.row("opportunity", s.deal, s.company, hs_is_closed_won=True, hs_is_closed=True, amount=s.whole,
                 pipeline="vl" if s.kind == "renewal" else "default", closedate=f"{s.start - 5 * DAY}", vertragsnr=f"{s.number}/{s.start.year}-K",
                 kuendigung=made.rng.choice(("3 Monate zum Laufzeitende", "6 Wochen zum Quartal")), auftragstyp=kinds[s.kind],
                 kundennummer=f"{s.number:06}", letzte_verlaengerung=s.start)  # fmt: skip
        made.row("contract_line", f"{s.deal}1", s.deal, name=s.product, quantity=1, amount=s.yearly, recurringbillingfrequency="annually",
                 leistungszeitraum_von=s.start, leistungszeitraum_bis=s.end - DAY)  # fmt: skip
    for s in newest.values():
        made.row("account", s.company, name="x", arr_aktuell=s.yearly, arr_vorjahr=s.yearly * 0.9, verlaengerung_zum=s.end, **_BOUGHT)
    made.leads(30)
    return Case(
        "de, lines and company, odd terms", made.portal(("default", "Neukunden"), ("vl", "Verlängerungen")), "CL",
        {
            ("account", "contract_arr"): "arr_aktuell",
            ("account", "renewal_date"): "verlaengerung_zum",
            ("opportunity", "opportunity_type"): {"property": "auftragstyp", "values": {"1": "new", "2": "renewal", "3": "expansion"}},
            ("opportunity", "contract_number"): "vertragsnr",
            ("opportunity", "notice_months"): None,
            ("contract_line", "term_start"): "leistungszeitraum_von",
            ("contract_line", "term_end"): {"property": "leistungszeitraum_bis", "add_days": 1},
            ("contract_line", "billing_frequency"): "recurringbillingfrequency",
            ("contract_line", "is_recurring"): {"property": "recurringbillingfrequency", "is_set": True},
            # A line billed once a year of which the amount is a year's: both readings are right.
            ("contract_line", "amount_per"): {"always": "period"},
        }, ("vl",),
    )  # fmt: skip


def chinese_deals() -> Case:
    """D: amount of a month, the yearly amount beside it, an end as text that is not read, notice in days."""
    made = hubspot(9)
    made.add("opportunity", prop("fuwu_qishi", "服务起始日期", "date"), prop("fuwu_zhongzhi", "服务终止日期", "date"),
             prop("daoqi_wenben", "到期日（文本）"), prop("hetong_qi", "合同期（月）", "number"), prop("nian_jine", "年合同金额", "number"),
             choice("jiaoyi", "交易类型", {"a": "首购", "b": "续购", "c": "加购"}), choice("zidong", "是否自动续费", {"Y": "是", "N": "否"}),
             prop("tongzhi_tian", "解约提前通知（天）", "number"), prop("hetong_hao", "合同号"))  # fmt: skip
    made.add("account", choice("kehu_fenji", "客户分级", {"1": "KA", "2": "普通"}))
    kinds = {"new": "a", "renewal": "b", "expansion": "c"}
    for s in sold(made.rng, 45, (12, 24)):
        made.row("opportunity", s.deal, s.company, hs_is_closed_won=True, hs_is_closed=True, amount=round(s.yearly / 12, 2),
                 pipeline="xg" if s.kind == "renewal" else "default", closedate=f"{s.start - 5 * DAY}", fuwu_qishi=s.start,
                 fuwu_zhongzhi=s.end - DAY, daoqi_wenben=f"{s.end.year}年{s.end.month}月{s.end.day}日", hetong_qi=s.months,
                 nian_jine=s.yearly, jiaoyi=kinds[s.kind], zidong=made.rng.choice("YN"), tongzhi_tian=made.rng.choice((30, 60)),
                 hetong_hao=f"ZH-{s.number}")  # fmt: skip
        if s.kind == "new":
            made.row("account", s.company, name="x", kehu_fenji=made.rng.choice("12"), **_BOUGHT)
    return Case(
        "zh, deals, per month", made.portal(("default", "销售管道"), ("xg", "续购管道")), "D",
        {
            ("account", "tier"): "kehu_fenji",
            ("opportunity", "opportunity_type"): {"property": "jiaoyi", "values": {"a": "new", "b": "renewal", "c": "expansion"}},
            ("opportunity", "contract_number"): "hetong_hao",
            ("opportunity", "term_start"): "fuwu_qishi",
            ("opportunity", "term_end"): {"property": "fuwu_zhongzhi", "add_days": 1},
            ("opportunity", "term_months"): "hetong_qi",
            ("opportunity", "notice_months"): {"property": "tongzhi_tian", "values": {"30": "1", "60": "2"}},
            ("opportunity", "is_auto_renew"): "zidong",
            ("opportunity", "amount_per"): {"always": "month"},
        }, ("xg",),
    )  # fmt: skip


def salesforce_deals() -> Case:
    """D: Salesforce without line items, end exclusive, a category of the customer's own, clauses as options."""
    made = salesforce(10)
    made.add("opportunity", prop("Contract_Start_Date__c", "Contract Start Date", "date"), prop("Contract_End_Date__c", "Contract End Date", "date"),
             prop("Term_Months__c", "Term (Months)", "number"), prop("ACV__c", "ACV", "number"), prop("Prior_Contract_End__c", "Prior contract end", "date"),
             choice("Opportunity_Category__c", "Opportunity Category", {"Land": "Land (new logo)", "Expand": "Expansion", "Renew": "Renewal"}),
             choice("Auto_Renewal_Clause__c", "Auto-Renewal Clause", {"Auto-renews": "Auto-renews", "Does not renew": "Does not renew"}),
             prop("Termination_Notice_Days__c", "Termination Notice (Days)", "number"), prop("Notice_Received_Date__c", "Notice Received Date", "date"),
             prop("Previous_Opportunity__c", "Previous Opportunity", "reference"))  # fmt: skip
    made.add("account", choice("Customer_Segment__c", "Customer Segment", {"Strategic": "Strategic", "Growth": "Growth"}))
    kinds = {"new": "Land", "renewal": "Renew", "expansion": "Expand"}
    for s in sold(made.rng, 45, (12, 24, 36)):
        made.row("opportunity", s.deal, s.company, IsWon=True, IsClosed=True, Amount=s.whole, CloseDate=s.start - 3 * DAY, ACV__c=s.yearly,
                 Contract_Start_Date__c=s.start, Contract_End_Date__c=s.end, Term_Months__c=f"{s.months}.0", Prior_Contract_End__c=s.start - DAY if s.before else None,
                 Opportunity_Category__c=kinds[s.kind], Auto_Renewal_Clause__c=made.rng.choice(("Auto-renews", "Does not renew")),
                 Termination_Notice_Days__c=made.rng.choice((30, 90)), Notice_Received_Date__c=made.some(s.end - 100 * DAY, 0.04),
                 Previous_Opportunity__c=s.before or None)  # fmt: skip
        if s.kind == "new":
            made.row("account", s.company, Name="x", Type="Customer", Customer_Segment__c=made.rng.choice(("Strategic", "Growth")))
    return Case(
        "Salesforce, deals, per term", made.portal(("Master", "Master")), "D",
        {
            ("account", "tier"): "Customer_Segment__c",
            ("opportunity", "opportunity_type"): {"property": "Opportunity_Category__c", "values": {"Land": "new", "Expand": "expansion", "Renew": "renewal"}},
            ("opportunity", "term_start"): "Contract_Start_Date__c",
            ("opportunity", "term_end"): "Contract_End_Date__c",
            ("opportunity", "term_months"): "Term_Months__c",
            ("opportunity", "notice_months"): {"property": "Termination_Notice_Days__c", "values": {"30": "1", "90": "3"}},
            ("opportunity", "is_auto_renew"): {"property": "Auto_Renewal_Clause__c", "is_one_of": ["Auto-renews"]},
            ("opportunity", "notice_given_on"): "Notice_Received_Date__c",
            ("opportunity", "renews_id"): "Previous_Opportunity__c",
            ("opportunity", "amount_per"): {"always": "term"},
        },
    )  # fmt: skip


THREE = (german_lines_and_companies, chinese_deals, salesforce_deals)
