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
        made.row(
            "account",
            s.company,
            name="x",
            arr_aktuell=s.yearly,
            arr_vorjahr=s.yearly * 0.9,
            verlaengerung_zum=s.end,
            **_BOUGHT,
        )
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
    made.add(
        "account", choice("Customer_Segment__c", "Customer Segment", {"Strategic": "Strategic", "Growth": "Growth"})
    )
    kinds = {"new": "Land", "renewal": "Renew", "expansion": "Expand"}
    for s in sold(made.rng, 45, (12, 24, 36)):
        made.row("opportunity", s.deal, s.company, IsWon=True, IsClosed=True, Amount=s.whole, CloseDate=s.start - 3 * DAY, ACV__c=s.yearly,
                 Contract_Start_Date__c=s.start, Contract_End_Date__c=s.end, Term_Months__c=f"{s.months}.0", Prior_Contract_End__c=s.start - DAY if s.before else None,
                 Opportunity_Category__c=kinds[s.kind], Auto_Renewal_Clause__c=made.rng.choice(("Auto-renews", "Does not renew")),
                 Termination_Notice_Days__c=made.rng.choice((30, 90)), Notice_Received_Date__c=made.some(s.end - 100 * DAY, 0.04),
                 Previous_Opportunity__c=s.before or None)  # fmt: skip
        if s.kind == "new":
            made.row(
                "account",
                s.company,
                Name="x",
                Type="Customer",
                Customer_Segment__c=made.rng.choice(("Strategic", "Growth")),
            )
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


def english_company_mrr() -> Case:
    """C: a monthly fee only, two renewal dates of which one is stale, an ARR typed as text."""
    made = hubspot(11)
    made.add("account", prop("monthly_fee_net", "Monthly fee (net)", "number"), prop("renewal_date", "Renewal date", "date"),
             prop("up_for_renewal", "Up for renewal on", "date"), prop("arr_text", "ARR"), prop("contract_signed", "Contract signed on", "date"),
             prop("subscription_began", "Subscription began", "date"), choice("sub_state", "Subscription state", {"live": "Live", "canc": "Cancelled"}))  # fmt: skip
    newest = {s.company: s for s in sold(made.rng, 60, (12, 24)) if s.kind != "expansion"}
    for s in newest.values():
        made.row("account", s.company, name="x", monthly_fee_net=round(s.yearly / 12, 2), up_for_renewal=s.end, subscription_began=s.start,
                 renewal_date=made.some("2022-03-01", 0.4), arr_text=f"EUR {s.yearly:,}", contract_signed=s.start - 30 * DAY,
                 sub_state="live" if s.end > s.start.today() else "canc", **_BOUGHT)  # fmt: skip
    made.leads(50)
    return Case(
        "en, company, MRR only", made.portal(("default", "Sales")), "C",
        {
            ("account", "contract_arr"): None,
            ("account", "contract_mrr"): "monthly_fee_net",
            ("account", "renewal_date"): "up_for_renewal",
            ("account", "contract_start"): "subscription_began",
            ("account", "contract_status"): {"property": "sub_state", "values": {"live": "active", "canc": "lost"}},
        },
    )  # fmt: skip


def german_lines() -> Case:
    """L: HubSpot's dates and amounts of a billing period, nothing of HubSpot's figures, deal amounts that are a year's."""
    made = hubspot(12)
    made.add("opportunity", prop("kuendbar_bis", "Kündbar bis", "date"), prop("kfrist", "Kündigungsfrist (Tage)", "number"),
             choice("autoverl", "Verlängert sich automatisch?", {"1": "Ja, um 12 Monate", "0": "Nein, endet"}),
             choice("art", "Art des Auftrags", {"N": "Erstauftrag Neukunde", "V": "Vertragsverlängerung", "Z": "Zusatzauftrag"}),
             prop("vorgaenger_deal", "ID Vorgänger-Deal"), prop("vertrags_id", "Vertrags-ID"))  # fmt: skip
    kinds = {"new": "N", "renewal": "V", "expansion": "Z"}
    for s in sold(made.rng, 45, (12, 24), products=("Basis", "Profi")):
        period = made.rng.choice((1, 3, 12))
        made.row("opportunity", s.deal, s.company, hs_is_closed_won=True, hs_is_closed=True, amount=s.yearly, pipeline="default",
                 closedate=f"{s.start - 5 * DAY}", kuendbar_bis=s.end - 90 * DAY, kfrist=90, autoverl=made.rng.choice("10"), art=kinds[s.kind],
                 vorgaenger_deal=s.before or None, vertrags_id=f"{s.number:05}")  # fmt: skip
        made.row("contract_line", f"{s.deal}1", s.deal, name=s.product, quantity=2, amount=round(s.yearly * period / 12, 2),
                 recurringbillingfrequency={1: "monthly", 3: "quarterly", 12: "annually"}[period], hs_recurring_billing_start_date=s.start,
                 hs_recurring_billing_period=f"P{s.months}M", hs_recurring_billing_end_date=s.end)  # fmt: skip
        if s.kind == "new":
            made.row("account", s.company, name="x", **_BOUGHT)
    return Case(
        "de, lines, deal is a year's", made.portal(("default", "Vertrieb"), ("p9", "Partner")), "L",
        {
            ("opportunity", "opportunity_type"): {"property": "art", "values": {"N": "new", "V": "renewal", "Z": "expansion"}},
            ("opportunity", "contract_number"): "vertrags_id",
            ("opportunity", "notice_months"): {"property": "kfrist", "values": {"90": "3"}},
            ("opportunity", "is_auto_renew"): "autoverl",
            ("opportunity", "renews_id"): "vorgaenger_deal",
            ("contract_line", "term_start"): "hs_recurring_billing_start_date",
            ("contract_line", "term_end"): "hs_recurring_billing_end_date",
            ("contract_line", "term_months"): {"property": "hs_recurring_billing_period", "is_duration": True},
            ("contract_line", "billing_frequency"): "recurringbillingfrequency",
            ("contract_line", "is_recurring"): {"property": "recurringbillingfrequency", "is_set": True},
            ("contract_line", "amount_per"): {"always": "period"},
        },
    )  # fmt: skip


def chinese_salesforce() -> Case:
    """L: Salesforce with labels in Chinese, lengths in months and no ends."""
    made = salesforce(13)
    made.add("contract_line", prop("Start__c", "服务起始日", "date"), prop("Months__c", "服务期（月）", "number"), prop("YF__c", "年费金额", "number"))  # fmt: skip
    made.add("opportunity", choice("YW__c", "业务性质", {"新客户": "新客户", "老客户续约": "老客户续约", "老客户增购": "老客户增购"}),
             prop("HT__c", "合同编码"), prop("TZ__c", "解约通知期限（月）", "number"), prop("JY__c", "收到解约通知日期", "date"))  # fmt: skip
    made.add("account", choice("Level__c", "客户级别", {"战略": "战略", "普通": "普通"}))
    kinds = {"new": "新客户", "renewal": "老客户续约", "expansion": "老客户增购"}
    for s in sold(made.rng, 45, (12, 24, 36), products=("标准", "企业")):
        made.row("opportunity", s.deal, s.company, IsWon=True, IsClosed=True, Amount=s.whole, CloseDate=s.start - 3 * DAY, YW__c=kinds[s.kind],
                 HT__c=f"S{s.number}", TZ__c=made.rng.choice((1, 3)), JY__c=made.some(s.end - 60 * DAY, 0.05))  # fmt: skip
        made.row("contract_line", f"{s.deal}1", s.deal, Quantity=1, TotalPrice=s.whole, Start__c=s.start, Months__c=f"{s.months}.0",
                 YF__c=s.yearly, Product2={"Name": s.product})  # fmt: skip
        if s.kind == "new":
            made.row("account", s.company, Name="x", Type="Customer", Level__c=made.rng.choice(("战略", "普通")))
    return Case(
        "zh, Salesforce, lines by months", made.portal(("Master", "Master")), "L",
        {
            ("account", "tier"): "Level__c",
            ("opportunity", "opportunity_type"): {"property": "YW__c", "values": {"新客户": "new", "老客户续约": "renewal", "老客户增购": "expansion"}},
            ("opportunity", "contract_number"): "HT__c",
            ("opportunity", "notice_months"): "TZ__c",
            ("opportunity", "notice_given_on"): "JY__c",
            ("contract_line", "term_start"): "Start__c",
            ("contract_line", "term_months"): "Months__c",
            ("contract_line", "is_recurring"): {"property": "Start__c", "is_set": True},
            ("contract_line", "amount_per"): {"always": "term"},
        },
    )  # fmt: skip


THREE_MORE = (english_company_mrr, german_lines, chinese_salesforce)
