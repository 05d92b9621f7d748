"""Portals that store contracts in deal fields (way D)."""

from __future__ import annotations

from datetime import date

from tests.operations.mapping_proposal.world import BOUGHT, DAY, Case, choice, hubspot, prop, salesforce, sold


def german_deals() -> Case:
    """D: deal fields, amount of the whole term, inclusive ends, an empty ARR, an unused end date, German options."""
    made = hubspot(2)
    made.add(
        "opportunity",
        prop("vertragsbeginn", "Vertragsbeginn", "date"),
        prop("vertragsende", "Vertragsende", "date"),
        prop("vertragsende_alt", "Vertragsende (bis 2022)", "date"),
        prop("laufzeit_monate", "Laufzeit (Monate)", "number"),
        choice("kuendigungsfrist", "Kündigungsfrist", {"1": "1 Monat", "3": "3 Monate", "6": "6 Monate"}),
        choice("verlaengerung_auto", "Automatische Verlängerung", {"ja": "Ja", "nein": "Nein"}),
        choice("geschaeftsart", "Geschäftsart", {"nk": "Neukunde", "vl": "Verlängerung", "ew": "Erweiterung"}),
        prop("vertragsnummer", "Vertragsnummer"),
        prop("gekuendigt_am", "Gekündigt am", "date"),
        prop("arr", "ARR", "number"),
        prop("arr_potenzial", "ARR Potenzial", "number"),
        prop("notiz", "Notiz zum Vertrag"),
        prop("angebot_gueltig_bis", "Angebot gültig bis", "date"),
    )
    made.add(
        "account",
        choice("kundenklasse", "Kundenklasse (A/B/C)", {"A": "A", "B": "B", "C": "C"}),
        prop("testkunde", "Testkunde", "flag"),
    )
    made.add(
        "contact",
        choice(
            "rolle",
            "Rolle im Kaufprozess",
            {"e": "Entscheider", "n": "Anwender", "f": "Fürsprecher", "g": "Geschäftsführung"},
        ),
    )
    kinds = {"new": "nk", "renewal": "vl", "expansion": "ew"}
    for s in sold(made.rng, 45, (12, 24, 36)):
        made.won(
            s,
            amount=s.whole,
            pipeline="88" if s.kind == "renewal" else "default",
            closedate=f"{s.start - 20 * DAY}",
            vertragsbeginn=s.start,
            vertragsende=s.end - DAY,
            laufzeit_monate=s.months,
            vertragsende_alt=made.some(date(2021, 12, 31), 0.2),
            kuendigungsfrist=made.rng.choice("136"),
            verlaengerung_auto=made.rng.choice(("ja", "nein")),
            geschaeftsart=kinds[s.kind],
            vertragsnummer=f"V{s.number:05}",
            gekuendigt_am=made.some(s.end - 100 * DAY, 0.06),
            arr_potenzial=made.some(s.yearly * 2, 0.6),
            angebot_gueltig_bis=s.start - 3 * DAY,
            notiz="siehe Anlage",
        )
        if s.kind == "new":
            made.row(
                "account",
                s.company,
                name="x",
                kundenklasse=made.rng.choice("ABC"),
                testkunde=made.some(True, 0.05),
                **BOUGHT,
            )
            made.row("contact", f"{s.company}9", email="x@y.example", rolle=made.rng.choice("enfg"))
    made.leads(40)
    return Case(
        "de, deals, per term",
        made.portal(("default", "Vertrieb"), ("88", "Vertragsverlängerungen")),
        "D",
        {
            ("account", "tier"): "kundenklasse",
            ("account", "is_test"): "testkunde",
            ("contact", "role"): {
                "property": "rolle",
                "values": {"e": "decision_maker", "n": "user", "f": "champion", "g": "executive_sponsor"},
            },
            ("opportunity", "opportunity_type"): {
                "property": "geschaeftsart",
                "values": {"nk": "new", "vl": "renewal", "ew": "expansion"},
            },
            ("opportunity", "contract_number"): "vertragsnummer",
            ("opportunity", "term_start"): "vertragsbeginn",
            ("opportunity", "term_end"): {"property": "vertragsende", "add_days": 1},
            ("opportunity", "term_months"): "laufzeit_monate",
            ("opportunity", "notice_months"): "kuendigungsfrist",
            ("opportunity", "is_auto_renew"): "verlaengerung_auto",
            ("opportunity", "notice_given_on"): "gekuendigt_am",
            ("opportunity", "amount_per"): {"always": "term"},
            ("contract_line", "amount_per"): None,
        },
        ("88",),
    )


def english_deals_in_years() -> Case:
    """D: yearly amount, length in years, the renewed deal's id, a pipeline not named as renewals."""
    made = hubspot(5)
    made.add(
        "opportunity",
        prop("sub_start", "Subscription start", "date"),
        prop("contract_length", "Contract length (years)", "number"),
        choice("deal_category", "Deal category", {"New logo": "New logo", "Renewal": "Renewal", "Upsell": "Upsell"}),
        prop("renewed_deal_id", "Renewed deal ID"),
        prop("project_start_date", "Project start date", "date"),
        prop("notice", "Cancellation notice"),
        prop("contract_value_text", "Contract value as typed"),
    )
    words = {"new": "New logo", "renewal": "Renewal", "expansion": "Upsell"}
    for s in sold(made.rng, 45, (12, 24, 36)):
        made.won(
            s,
            amount=s.yearly,
            hs_acv=s.yearly,
            pipeline="p2" if s.kind == "renewal" else "default",
            closedate=f"{s.start - 5 * DAY}",
            sub_start=s.start,
            contract_length=s.months // 12,
            deal_category=words[s.kind],
            renewed_deal_id=s.before or None,
            project_start_date=s.start + 14 * DAY,
            notice=made.rng.choice(("90 days", "30 days", "60 days")),
            contract_value_text=f"$ {s.whole:,.2f}",
        )
        if s.kind == "new":
            made.row("account", s.company, name="x", **BOUGHT)
    return Case(
        "en, deals, per year",
        made.portal(("default", "Sales"), ("p2", "Accounts")),
        "D",
        {
            ("opportunity", "opportunity_type"): {
                "property": "deal_category",
                "values": {"New logo": "new", "Renewal": "renewal", "Upsell": "expansion"},
            },
            ("opportunity", "term_start"): "sub_start",
            ("opportunity", "term_months"): {
                "property": "contract_length",
                "values": {"1": "12", "2": "24", "3": "36"},
            },
            ("opportunity", "renews_id"): "renewed_deal_id",
            ("opportunity", "notice_months"): {"property": "notice", "is_duration": True},
            ("opportunity", "amount_per"): {"always": "year"},
        },
        ("p2",),
    )


def chinese_deals() -> Case:
    """D: monthly amount next to the yearly one, an unused end date as text, notice in days."""
    made = hubspot(9)
    made.add(
        "opportunity",
        prop("fuwu_qishi", "服务起始日期", "date"),
        prop("fuwu_zhongzhi", "服务终止日期", "date"),
        prop("daoqi_wenben", "到期日（文本）"),
        prop("hetong_qi", "合同期（月）", "number"),
        prop("nian_jine", "年合同金额", "number"),
        choice("jiaoyi", "交易类型", {"a": "首购", "b": "续购", "c": "加购"}),
        choice("zidong", "是否自动续费", {"Y": "是", "N": "否"}),
        prop("tongzhi_tian", "解约提前通知（天）", "number"),
        prop("hetong_hao", "合同号"),
    )
    made.add("account", choice("kehu_fenji", "客户分级", {"1": "KA", "2": "普通"}))
    kinds = {"new": "a", "renewal": "b", "expansion": "c"}
    for s in sold(made.rng, 45, (12, 24)):
        made.won(
            s,
            amount=round(s.yearly / 12, 2),
            pipeline="xg" if s.kind == "renewal" else "default",
            closedate=f"{s.start - 5 * DAY}",
            fuwu_qishi=s.start,
            fuwu_zhongzhi=s.end - DAY,
            daoqi_wenben=f"{s.end.year}年{s.end.month}月{s.end.day}日",
            hetong_qi=s.months,
            nian_jine=s.yearly,
            jiaoyi=kinds[s.kind],
            zidong=made.rng.choice("YN"),
            tongzhi_tian=made.rng.choice((30, 60)),
            hetong_hao=f"ZH-{s.number}",
        )
        if s.kind == "new":
            made.row("account", s.company, name="x", kehu_fenji=made.rng.choice("12"), **BOUGHT)
    return Case(
        "zh, deals, per month",
        made.portal(("default", "销售管道"), ("xg", "续购管道")),
        "D",
        {
            ("account", "tier"): "kehu_fenji",
            ("opportunity", "opportunity_type"): {
                "property": "jiaoyi",
                "values": {"a": "new", "b": "renewal", "c": "expansion"},
            },
            ("opportunity", "contract_number"): "hetong_hao",
            ("opportunity", "term_start"): "fuwu_qishi",
            ("opportunity", "term_end"): {"property": "fuwu_zhongzhi", "add_days": 1},
            ("opportunity", "term_months"): "hetong_qi",
            ("opportunity", "notice_months"): {"property": "tongzhi_tian", "values": {"30": "1", "60": "2"}},
            ("opportunity", "is_auto_renew"): "zidong",
            ("opportunity", "amount_per"): {"always": "month"},
        },
        ("xg",),
    )


def salesforce_deals() -> Case:
    """D: Salesforce without line items, exclusive ends, a custom category, clauses as options."""
    made = salesforce(10)
    made.add(
        "opportunity",
        prop("Contract_Start_Date__c", "Contract Start Date", "date"),
        prop("Contract_End_Date__c", "Contract End Date", "date"),
        prop("Term_Months__c", "Term (Months)", "number"),
        prop("ACV__c", "ACV", "number"),
        prop("Prior_Contract_End__c", "Prior contract end", "date"),
        choice(
            "Opportunity_Category__c",
            "Opportunity Category",
            {"Land": "Land (new logo)", "Expand": "Expansion", "Renew": "Renewal"},
        ),
        choice(
            "Auto_Renewal_Clause__c",
            "Auto-Renewal Clause",
            {"Auto-renews": "Auto-renews", "Does not renew": "Does not renew"},
        ),
        prop("Termination_Notice_Days__c", "Termination Notice (Days)", "number"),
        prop("Notice_Received_Date__c", "Notice Received Date", "date"),
        prop("Previous_Opportunity__c", "Previous Opportunity", "reference"),
    )
    made.add(
        "account", choice("Customer_Segment__c", "Customer Segment", {"Strategic": "Strategic", "Growth": "Growth"})
    )
    kinds = {"new": "Land", "renewal": "Renew", "expansion": "Expand"}
    for s in sold(made.rng, 45, (12, 24, 36)):
        made.won(
            s,
            Amount=s.whole,
            CloseDate=s.start - 3 * DAY,
            ACV__c=s.yearly,
            Contract_Start_Date__c=s.start,
            Contract_End_Date__c=s.end,
            Term_Months__c=f"{s.months}.0",
            Prior_Contract_End__c=s.start - DAY if s.before else None,
            Opportunity_Category__c=kinds[s.kind],
            Auto_Renewal_Clause__c=made.rng.choice(("Auto-renews", "Does not renew")),
            Termination_Notice_Days__c=made.rng.choice((30, 90)),
            Notice_Received_Date__c=made.some(s.end - 100 * DAY, 0.04),
            Previous_Opportunity__c=s.before or None,
        )
        if s.kind == "new":
            made.row(
                "account",
                s.company,
                Name="x",
                Type="Customer",
                Customer_Segment__c=made.rng.choice(("Strategic", "Growth")),
            )
    return Case(
        "Salesforce, deals, per term",
        made.portal(("Master", "Master")),
        "D",
        {
            ("account", "tier"): "Customer_Segment__c",
            ("opportunity", "opportunity_type"): {
                "property": "Opportunity_Category__c",
                "values": {"Land": "new", "Expand": "expansion", "Renew": "renewal"},
            },
            ("opportunity", "term_start"): "Contract_Start_Date__c",
            ("opportunity", "term_end"): "Contract_End_Date__c",
            ("opportunity", "term_months"): "Term_Months__c",
            ("opportunity", "notice_months"): {
                "property": "Termination_Notice_Days__c",
                "values": {"30": "1", "90": "3"},
            },
            ("opportunity", "is_auto_renew"): {"property": "Auto_Renewal_Clause__c", "is_one_of": ["Auto-renews"]},
            ("opportunity", "notice_given_on"): "Notice_Received_Date__c",
            ("opportunity", "renews_id"): "Previous_Opportunity__c",
            ("opportunity", "amount_per"): {"always": "term"},
        },
    )
