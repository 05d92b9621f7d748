"""Portals that store contracts in line items (way L), and one with contract objects too (K)."""

from __future__ import annotations

from datetime import date

from tests.operations.mapping_proposal.world import BOUGHT, DAY, Case, choice, hubspot, prop, salesforce, sold


def english_lines() -> Case:
    """L: HubSpot's standard line items, amount per billing period, notice in days, an old contract number."""
    made = hubspot(1)
    made.add(
        "opportunity",
        prop("contract_no", "Contract No."),
        prop("contract_number_old", "Contract number (old)"),
        prop("notice_period", "Notice period (days)", "number"),
        choice("auto_renewal", "Auto-renewal?", {"yes": "Yes", "no": "No"}),
        prop("test_contract_start", "TEST contract start", "date"),
        prop("cancellation_received", "Cancellation received on", "date"),
    )
    made.add("account", choice("customer_segment", "Customer segment", {"ent": "Enterprise", "smb": "SMB"}))
    for s in sold(made.rng, 40, (12, 24, 36), products=("Core", "Analytics")):
        period = made.rng.choice((1, 3, 12))
        frequency = {1: "monthly", 3: "quarterly", 12: "annually"}[period]
        amount = round(s.yearly * period / 12, 2)
        made.won(
            s,
            amount=s.whole,
            pipeline="17283" if s.kind == "renewal" else "default",
            contract_no=f"C-{s.number:04}",
            dealtype="newbusiness" if s.kind == "new" else "existingbusiness",
            contract_number_old=made.some(f"{s.number}", 0.01),
            closedate=f"{s.start - 10 * DAY}T09:00:00.000Z",
            notice_period=made.rng.choice((30, 60, 90)),
            auto_renewal=made.rng.choice(("yes", "no")),
            test_contract_start=made.some(s.start, 0.3),
            cancellation_received=made.some(s.end - 70 * DAY, 0.05),
            hs_tcv=s.whole,
            hs_arr=s.yearly,
        )
        made.line(
            s,
            amount=amount,
            recurringbillingfrequency=frequency,
            hs_recurring_billing_start_date=s.start,
            hs_recurring_billing_end_date=s.end,
            hs_recurring_billing_period=f"P{s.months}M",
            hs_tcv=s.whole,
            hs_arr=s.yearly,
            hs_mrr=round(s.yearly / 12, 2),
            hs_pre_discount_amount=amount,
        )
        if s.kind == "new":
            made.row("contract_line", f"{s.deal}2", s.deal, name="Onboarding", quantity=1, amount=1500, hs_tcv=1500)
            made.row("account", s.company, name="x", annualrevenue=5_000_000, customer_segment="smb", **BOUGHT)
            made.row("contact", f"{s.company}9", email="x@y.example", hs_buying_role="CHAMPION", hs_role="sales")
    made.leads(60)
    return Case(
        "en, lines, per billing period",
        made.portal(("default", "Sales Pipeline"), ("17283", "Renewals")),
        "L",
        {
            ("account", "tier"): "customer_segment",
            ("contact", "role"): {
                "property": "hs_buying_role",
                "values": {
                    "DECISION_MAKER": "decision_maker",
                    "CHAMPION": "champion",
                    "END_USER": "user",
                    "BLOCKER": "veto",
                    "OTHER": "other",
                },
            },
            ("opportunity", "opportunity_type"): {
                "property": "dealtype",
                "values": {"newbusiness": "new", "existingbusiness": "existing"},
            },
            ("opportunity", "contract_number"): "contract_no",
            ("opportunity", "notice_months"): {
                "property": "notice_period",
                "values": {"30": "1", "60": "2", "90": "3"},
            },
            ("opportunity", "is_auto_renew"): "auto_renewal",
            ("opportunity", "notice_given_on"): "cancellation_received",
            ("opportunity", "term_start"): None,
            ("contract_line", "term_start"): "hs_recurring_billing_start_date",
            ("contract_line", "term_end"): "hs_recurring_billing_end_date",
            ("contract_line", "term_months"): {"property": "hs_recurring_billing_period", "is_duration": True},
            ("contract_line", "billing_frequency"): "recurringbillingfrequency",
            ("contract_line", "is_recurring"): {"property": "recurringbillingfrequency", "is_set": True},
            ("contract_line", "list_amount"): "hs_pre_discount_amount",
            ("contract_line", "amount_per"): {"always": "period"},
            ("account", "contract_arr"): None,
        },
        ("17283",),
    )


def chinese_lines() -> Case:
    """L: custom dates on line items, inclusive ends, amount of the term, HubSpot's standard dates unused."""
    made = hubspot(6)
    made.add("contract_line", prop("fuwu_kaishi", "服务开始日期", "date"), prop("fuwu_jieshu", "服务结束日期", "date"))
    made.add(
        "opportunity",
        choice("dingdan_leixing", "订单类型", {"xq": "新签", "xy": "续约", "zg": "增购"}),
        prop("hetong_bianhao", "合同编号"),
        prop("tongzhi", "解约通知期（月）", "number"),
        choice("zidong", "自动续约", {"是": "是", "否": "否"}),
        prop("hetong_bianhao_jiu", "旧合同编号"),
    )
    words = {"new": "xq", "renewal": "xy", "expansion": "zg"}
    for s in sold(made.rng, 45, (12, 24, 6), products=("基础版", "专业版")):
        made.won(
            s,
            amount=s.whole,
            pipeline="xuyue" if s.kind == "renewal" else "default",
            closedate=f"{s.start - 5 * DAY}",
            dingdan_leixing=words[s.kind],
            hetong_bianhao=f"HT{2023000 + s.number}",
            tongzhi=made.rng.choice((1, 2, 3)),
            zidong=made.rng.choice("是否"),
            hetong_bianhao_jiu=f"OLD{s.number}",
        )
        made.line(
            s,
            amount=s.whole,
            recurringbillingfrequency=made.rng.choice(("annually", "quarterly")),
            fuwu_kaishi=s.start,
            fuwu_jieshu=s.end - DAY,
            hs_recurring_billing_start_date=made.some(date(2021, 1, 1), 0.01),
        )
        if s.kind == "new":
            made.row("account", s.company, name="x", **BOUGHT)
    return Case(
        "zh, lines, per term",
        made.portal(("default", "新签"), ("xuyue", "续约")),
        "L",
        {
            ("opportunity", "opportunity_type"): {
                "property": "dingdan_leixing",
                "values": {"xq": "new", "xy": "renewal", "zg": "expansion"},
            },
            ("opportunity", "contract_number"): "hetong_bianhao",
            ("opportunity", "notice_months"): "tongzhi",
            ("opportunity", "is_auto_renew"): "zidong",
            ("contract_line", "term_start"): "fuwu_kaishi",
            ("contract_line", "term_end"): {"property": "fuwu_jieshu", "add_days": 1},
            ("contract_line", "billing_frequency"): "recurringbillingfrequency",
            ("contract_line", "is_recurring"): {"property": "recurringbillingfrequency", "is_set": True},
            ("contract_line", "amount_per"): {"always": "term"},
        },
        ("xuyue",),
    )


def salesforce_lines() -> Case:
    """L and K: Salesforce line items with custom dates, contracts next to them, numbers as text."""
    made = salesforce(7)
    made.add(
        "opportunity",
        prop("Contract_Number__c", "Contract Number"),
        prop("Notice_Period_Months__c", "Notice Period (Months)"),
        prop("Auto_Renew__c", "Auto Renew", "flag"),
        prop("Renewed_Opportunity__c", "Renewed Opportunity", "reference"),
        prop("Go_Live__c", "Go-live date"),
        prop("ARR__c", "ARR", "number"),
        prop("Notice_Deadline__c", "Notice deadline", "date"),
    )
    made.schema["opportunity"]["Type"] = choice(
        "Type", "Opportunity Type", {"New Business": "New Business", "Renewal": "Renewal", "Add-On": "Add-On"}
    )
    made.add(
        "contract_line",
        prop("Subscription_Start__c", "Subscription Start Date", "date"),
        prop("Subscription_End__c", "Subscription End Date", "date"),
        choice("Billing_Frequency__c", "Billing Frequency", {"Monthly": "Monthly", "Annual": "Annual"}),
    )
    words = {"new": "New Business", "renewal": "Renewal", "expansion": "Add-On"}
    for s in sold(made.rng, 40, (12, 36)):
        made.won(
            s,
            Amount=s.whole,
            CloseDate=s.start - 3 * DAY,
            Type=words[s.kind],
            Contract_Number__c=f"{s.number:06}",
            Notice_Period_Months__c=made.rng.choice("123"),
            Auto_Renew__c=made.rng.random() < 0.5,
            Renewed_Opportunity__c=s.before or None,
            Go_Live__c=f"{s.start:%d.%m.%Y}",
            ARR__c=s.yearly,
            Notice_Deadline__c=s.end - 90 * DAY,
            RecordType={"DeveloperName": "Renewal" if s.kind == "renewal" else "Standard"},
        )
        made.row(
            "contract_line",
            f"{s.deal}1",
            s.deal,
            Quantity=10,
            TotalPrice=s.whole,
            Subscription_Start__c=s.start,
            Subscription_End__c=s.end - DAY,
            Billing_Frequency__c=made.rng.choice(("Monthly", "Annual")),
            Product2={"Name": s.product},
        )
        if s.kind == "new":
            made.row("account", s.company, Name="x", Type="Customer - Direct")
    return Case(
        "Salesforce, lines, contracts",
        made.portal(("Standard", "Standard"), ("Renewal", "Renewal"), contract_objects={"Contract": 40}),
        "L",
        {
            ("opportunity", "opportunity_type"): {
                "property": "Type",
                "values": {"New Business": "new", "Renewal": "renewal", "Add-On": "expansion"},
            },
            ("opportunity", "contract_number"): "Contract_Number__c",
            ("opportunity", "notice_months"): "Notice_Period_Months__c",
            ("opportunity", "is_auto_renew"): "Auto_Renew__c",
            ("opportunity", "renews_id"): "Renewed_Opportunity__c",
            ("opportunity", "term_start"): None,
            ("contract_line", "term_start"): "Subscription_Start__c",
            ("contract_line", "term_end"): {"property": "Subscription_End__c", "add_days": 1},
            ("contract_line", "billing_frequency"): {
                "property": "Billing_Frequency__c",
                "values": {"Monthly": "monthly", "Annual": "annually"},
            },
            ("contract_line", "is_recurring"): {"property": "Billing_Frequency__c", "is_set": True},
            ("contract_line", "amount_per"): {"always": "term"},
        },
        ("Renewal",),
    )
