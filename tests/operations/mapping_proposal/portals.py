"""Seven portals of different customs, with the traps that real ones hold, and what a right proposal for each is."""

from __future__ import annotations

from datetime import date

from tests.operations.mapping_proposal.world import DAY, TODAY, Case, choice, hubspot, prop, salesforce, sold

_BOUGHT = {"lifecyclestage": "customer", "createdate": "2023-01-05T10:00:00.000Z"}
YES_NO = {"true": "Yes", "false": "No"}


def english_lines() -> Case:
    """L: HubSpot's own line items, amount of a billing period, end exclusive, notice in days, an old contract number."""
    made = hubspot(1)
    made.add("opportunity", prop("contract_no", "Contract No."), prop("contract_number_old", "Contract number (old)"),
             prop("notice_period", "Notice period (days)", "number"),
             choice("auto_renewal", "Auto-renewal?", {"yes": "Yes", "no": "No"}),
             prop("test_contract_start", "TEST contract start", "date"), prop("cancellation_received", "Cancellation received on", "date"))  # fmt: skip
    made.add("account", choice("customer_segment", "Customer segment", {"ent": "Enterprise", "smb": "SMB"}))
    for s in sold(made.rng, 40, (12, 24, 36), products=("Core", "Analytics")):
        period = made.rng.choice((1, 3, 12))
        frequency = {1: "monthly", 3: "quarterly", 12: "annually"}[period]
        amount = round(s.yearly * period / 12, 2)
        made.row("opportunity", s.deal, s.company, hs_is_closed_won=True, hs_is_closed=True, amount=s.whole,
                 pipeline="17283" if s.kind == "renewal" else "default", contract_no=f"C-{s.number:04}",
                 dealtype="newbusiness" if s.kind == "new" else "existingbusiness",
                 contract_number_old=made.some(f"{s.number}", 0.01), closedate=f"{s.start - 10 * DAY}T09:00:00.000Z",
                 notice_period=made.rng.choice((30, 60, 90)), auto_renewal=made.rng.choice(("yes", "no")),
                 test_contract_start=made.some(s.start, 0.3), cancellation_received=made.some(s.end - 70 * DAY, 0.05),
                 hs_tcv=s.whole, hs_arr=s.yearly)  # fmt: skip
        made.row("contract_line", f"{s.deal}1", s.deal, name=s.product, quantity=1, amount=amount,
                 recurringbillingfrequency=frequency, hs_recurring_billing_start_date=s.start,
                 hs_recurring_billing_end_date=s.end, hs_recurring_billing_period=f"P{s.months}M", hs_tcv=s.whole,
                 hs_arr=s.yearly, hs_mrr=round(s.yearly / 12, 2), hs_pre_discount_amount=amount)  # fmt: skip
        if s.kind == "new":
            made.row("contract_line", f"{s.deal}2", s.deal, name="Onboarding", quantity=1, amount=1500, hs_tcv=1500)
            made.row("account", s.company, name="x", annualrevenue=5_000_000, customer_segment="smb", **_BOUGHT)
            made.row("contact", f"{s.company}9", email="x@y.example", hs_buying_role="CHAMPION", hs_role="sales")
    made.leads(60)
    return Case(
        "en, lines, per billing period", made.portal(("default", "Sales Pipeline"), ("17283", "Renewals")), "L",
        {
            ("account", "tier"): "customer_segment",
            ("contact", "role"): {"property": "hs_buying_role", "values": {"DECISION_MAKER": "decision_maker", "CHAMPION": "champion",
                                  "END_USER": "user", "BLOCKER": "veto", "OTHER": "other"}},
            ("opportunity", "opportunity_type"): {"property": "dealtype", "values": {"newbusiness": "new", "existingbusiness": "existing"}},
            ("opportunity", "contract_number"): "contract_no",
            ("opportunity", "notice_months"): {"property": "notice_period", "values": {"30": "1", "60": "2", "90": "3"}},
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
        }, ("17283",),
    )  # fmt: skip


def german_deals() -> Case:
    """D: fields of the deal, amount of the whole term, last days, an empty ARR, a dead end date, options in German."""
    made = hubspot(2)
    made.add("opportunity", prop("vertragsbeginn", "Vertragsbeginn", "date"), prop("vertragsende", "Vertragsende", "date"),
             prop("vertragsende_alt", "Vertragsende (bis 2022)", "date"), prop("laufzeit_monate", "Laufzeit (Monate)", "number"),
             choice("kuendigungsfrist", "Kündigungsfrist", {"1": "1 Monat", "3": "3 Monate", "6": "6 Monate"}),
             choice("verlaengerung_auto", "Automatische Verlängerung", {"ja": "Ja", "nein": "Nein"}),
             choice("geschaeftsart", "Geschäftsart", {"nk": "Neukunde", "vl": "Verlängerung", "ew": "Erweiterung"}),
             prop("vertragsnummer", "Vertragsnummer"), prop("gekuendigt_am", "Gekündigt am", "date"),
             prop("arr", "ARR", "number"), prop("arr_potenzial", "ARR Potenzial", "number"),
             prop("notiz", "Notiz zum Vertrag"), prop("angebot_gueltig_bis", "Angebot gültig bis", "date"))  # fmt: skip
    made.add("account", choice("kundenklasse", "Kundenklasse (A/B/C)", {"A": "A", "B": "B", "C": "C"}),
             prop("testkunde", "Testkunde", "flag"))  # fmt: skip
    made.add("contact", choice("rolle", "Rolle im Kaufprozess", {"e": "Entscheider", "n": "Anwender", "f": "Fürsprecher", "g": "Geschäftsführung"}))  # fmt: skip
    kinds = {"new": "nk", "renewal": "vl", "expansion": "ew"}
    for s in sold(made.rng, 45, (12, 24, 36)):
        made.row("opportunity", s.deal, s.company, hs_is_closed_won=True, hs_is_closed=True, amount=s.whole,
                 pipeline="88" if s.kind == "renewal" else "default", closedate=f"{s.start - 20 * DAY}",
                 vertragsbeginn=s.start, vertragsende=s.end - DAY, laufzeit_monate=s.months,
                 vertragsende_alt=made.some(date(2021, 12, 31), 0.2), kuendigungsfrist=made.rng.choice("136"),
                 verlaengerung_auto=made.rng.choice(("ja", "nein")), geschaeftsart=kinds[s.kind],
                 vertragsnummer=f"V{s.number:05}", gekuendigt_am=made.some(s.end - 100 * DAY, 0.06),
                 arr_potenzial=made.some(s.yearly * 2, 0.6), angebot_gueltig_bis=s.start - 3 * DAY, notiz="siehe Anlage")  # fmt: skip
        if s.kind == "new":
            made.row(
                "account",
                s.company,
                name="x",
                kundenklasse=made.rng.choice("ABC"),
                testkunde=made.some(True, 0.05),
                **_BOUGHT,
            )
            made.row("contact", f"{s.company}9", email="x@y.example", rolle=made.rng.choice("enfg"))
    made.leads(40)
    return Case(
        "de, deals, per term", made.portal(("default", "Vertrieb"), ("88", "Vertragsverlängerungen")), "D",
        {
            ("account", "tier"): "kundenklasse",
            ("account", "is_test"): "testkunde",
            ("contact", "role"): {"property": "rolle", "values": {"e": "decision_maker", "n": "user", "f": "champion", "g": "executive_sponsor"}},
            ("opportunity", "opportunity_type"): {"property": "geschaeftsart", "values": {"nk": "new", "vl": "renewal", "ew": "expansion"}},
            ("opportunity", "contract_number"): "vertragsnummer",
            ("opportunity", "term_start"): "vertragsbeginn",
            ("opportunity", "term_end"): {"property": "vertragsende", "add_days": 1},
            ("opportunity", "term_months"): "laufzeit_monate",
            ("opportunity", "notice_months"): "kuendigungsfrist",
            ("opportunity", "is_auto_renew"): "verlaengerung_auto",
            ("opportunity", "notice_given_on"): "gekuendigt_am",
            ("opportunity", "amount_per"): {"always": "term"},
            ("contract_line", "amount_per"): None,
        }, ("88",),
    )  # fmt: skip


def chinese_company() -> Case:
    """C: fields of the company in Chinese, of customers among many leads, a status to translate."""
    made = hubspot(3)
    made.add("account", prop("arr_cny", "年度经常性收入", "number"), prop("xuyue_riqi", "续约日期", "date"),
             prop("hetong_kaishi", "合同开始日期", "date"), choice("kehu_zhuangtai", "客户状态", {"1": "服务中", "2": "已流失"}),
             choice("kehu_dengji", "客户等级", {"S": "S级", "A": "A级"}), prop("arr_mubiao", "ARR目标", "number"),
             prop("xuyue_tixing", "续约提醒日期", "date"))  # fmt: skip
    made.add("contact", choice("juese", "联系人角色", {"1": "决策者", "2": "使用者", "3": "支持者"}))
    newest = {s.company: s for s in sold(made.rng, 70, (12, 24)) if s.kind != "expansion"}
    for s in newest.values():
        is_lost = s.end < TODAY
        made.row("account", s.company, name="x", arr_cny=s.yearly, xuyue_riqi=s.end, hetong_kaishi=s.start,
                 kehu_zhuangtai="2" if is_lost else "1", kehu_dengji=made.rng.choice("SA"), arr_mubiao=s.yearly * 2,
                 xuyue_tixing=s.end - 90 * DAY, annualrevenue=900_000, **_BOUGHT)  # fmt: skip
        made.row("contact", f"{s.company}9", email="x@y.example", juese=made.rng.choice("123"))
    made.leads(120)
    return Case(
        "zh, company", made.portal(("default", "销售")), "C",
        {
            ("account", "contract_arr"): "arr_cny",
            ("account", "renewal_date"): "xuyue_riqi",
            ("account", "contract_start"): "hetong_kaishi",
            ("account", "contract_status"): {"property": "kehu_zhuangtai", "values": {"1": "active", "2": "lost"}},
            ("account", "tier"): "kehu_dengji",
            ("contact", "role"): {"property": "juese", "values": {"1": "decision_maker", "2": "user", "3": "champion"}},
        },
    )  # fmt: skip


def german_company() -> Case:
    """C: what is called ARR is the amount of the whole term; MRR is right; ends are last days."""
    made = hubspot(4)
    made.add("account", prop("arr", "ARR", "number"), prop("mrr", "MRR (EUR)", "number"), prop("vertragsstart", "Vertragsstart", "date"),
             prop("vertragsende", "Vertragsende", "date"), choice("vertragsstatus", "Vertragsstatus", {"aktiv": "Aktiv", "gekuendigt": "Gekündigt"}))  # fmt: skip
    newest = {s.company: s for s in sold(made.rng, 60, (12, 24, 36)) if s.kind != "expansion"}
    for s in newest.values():
        made.row("account", s.company, name="x", arr=s.whole, mrr=round(s.yearly / 12, 2), vertragsstart=s.start,
                 vertragsende=s.end - DAY, vertragsstatus=made.some("aktiv", 0.9) or "gekuendigt", **_BOUGHT)  # fmt: skip
    made.leads(30)
    return Case(
        "de, company, ARR is of the term", made.portal(("default", "Vertrieb")), "C",
        {
            ("account", "contract_arr"): None,
            ("account", "contract_mrr"): "mrr",
            ("account", "renewal_date"): {"property": "vertragsende", "add_days": 1},
            ("account", "contract_start"): "vertragsstart",
            ("account", "contract_status"): {"property": "vertragsstatus", "values": {"aktiv": "active", "gekuendigt": "lost"}},
        },
    )  # fmt: skip


def english_deals_in_years() -> Case:
    """D: amount of a year, length in years, the renewed deal's id, a pipeline that does not say that it renews."""
    made = hubspot(5)
    made.add("opportunity", prop("sub_start", "Subscription start", "date"), prop("contract_length", "Contract length (years)", "number"),
             choice("deal_category", "Deal category", {"New logo": "New logo", "Renewal": "Renewal", "Upsell": "Upsell"}),
             prop("renewed_deal_id", "Renewed deal ID"), prop("project_start_date", "Project start date", "date"),
             prop("notice", "Cancellation notice"), prop("contract_value_text", "Contract value as typed"))  # fmt: skip
    words = {"new": "New logo", "renewal": "Renewal", "expansion": "Upsell"}
    for s in sold(made.rng, 45, (12, 24, 36)):
        made.row("opportunity", s.deal, s.company, hs_is_closed_won=True, hs_is_closed=True, amount=s.yearly, hs_acv=s.yearly,
                 pipeline="p2" if s.kind == "renewal" else "default", closedate=f"{s.start - 5 * DAY}",
                 sub_start=s.start, contract_length=s.months // 12, deal_category=words[s.kind], renewed_deal_id=s.before or None,
                 project_start_date=s.start + 14 * DAY, notice=made.rng.choice(("90 days", "30 days", "60 days")),
                 contract_value_text=f"$ {s.whole:,.2f}")  # fmt: skip
        if s.kind == "new":
            made.row("account", s.company, name="x", **_BOUGHT)
    return Case(
        "en, deals, per year", made.portal(("default", "Sales"), ("p2", "Accounts")), "D",
        {
            ("opportunity", "opportunity_type"): {"property": "deal_category", "values": {"New logo": "new", "Renewal": "renewal", "Upsell": "expansion"}},
            ("opportunity", "term_start"): "sub_start",
            ("opportunity", "term_months"): {"property": "contract_length", "values": {"1": "12", "2": "24", "3": "36"}},
            ("opportunity", "renews_id"): "renewed_deal_id",
            ("opportunity", "notice_months"): {"property": "notice", "is_duration": True},
            ("opportunity", "amount_per"): {"always": "year"},
        }, ("p2",),
    )  # fmt: skip


def chinese_lines() -> Case:
    """L: dates of the customer's own on line items, last days, amount of the term, HubSpot's own dates dead."""
    made = hubspot(6)
    made.add("contract_line", prop("fuwu_kaishi", "服务开始日期", "date"), prop("fuwu_jieshu", "服务结束日期", "date"))
    made.add("opportunity", choice("dingdan_leixing", "订单类型", {"xq": "新签", "xy": "续约", "zg": "增购"}),
             prop("hetong_bianhao", "合同编号"), prop("tongzhi", "解约通知期（月）", "number"),
             choice("zidong", "自动续约", {"是": "是", "否": "否"}), prop("hetong_bianhao_jiu", "旧合同编号"))  # fmt: skip
    words = {"new": "xq", "renewal": "xy", "expansion": "zg"}
    for s in sold(made.rng, 45, (12, 24, 6), products=("基础版", "专业版")):
        made.row("opportunity", s.deal, s.company, hs_is_closed_won=True, hs_is_closed=True, amount=s.whole,
                 pipeline="xuyue" if s.kind == "renewal" else "default", closedate=f"{s.start - 5 * DAY}",
                 dingdan_leixing=words[s.kind], hetong_bianhao=f"HT{2023000 + s.number}", tongzhi=made.rng.choice((1, 2, 3)),
                 zidong=made.rng.choice("是否"), hetong_bianhao_jiu=f"OLD{s.number}")  # fmt: skip
        made.row("contract_line", f"{s.deal}1", s.deal, name=s.product, quantity=1, amount=s.whole,
                 recurringbillingfrequency=made.rng.choice(("annually", "quarterly")), fuwu_kaishi=s.start, fuwu_jieshu=s.end - DAY,
                 hs_recurring_billing_start_date=made.some(date(2021, 1, 1), 0.01))  # fmt: skip
        if s.kind == "new":
            made.row("account", s.company, name="x", **_BOUGHT)
    return Case(
        "zh, lines, per term", made.portal(("default", "新签"), ("xuyue", "续约")), "L",
        {
            ("opportunity", "opportunity_type"): {"property": "dingdan_leixing", "values": {"xq": "new", "xy": "renewal", "zg": "expansion"}},
            ("opportunity", "contract_number"): "hetong_bianhao",
            ("opportunity", "notice_months"): "tongzhi",
            ("opportunity", "is_auto_renew"): "zidong",
            ("contract_line", "term_start"): "fuwu_kaishi",
            ("contract_line", "term_end"): {"property": "fuwu_jieshu", "add_days": 1},
            ("contract_line", "billing_frequency"): "recurringbillingfrequency",
            ("contract_line", "is_recurring"): {"property": "recurringbillingfrequency", "is_set": True},
            ("contract_line", "amount_per"): {"always": "term"},
        }, ("xuyue",),
    )  # fmt: skip


def salesforce_lines() -> Case:
    """L and K: Salesforce line items with dates of their own, contracts beside them, numbers as text."""
    made = salesforce(7)
    made.add("opportunity", prop("Contract_Number__c", "Contract Number"), prop("Notice_Period_Months__c", "Notice Period (Months)"),
             prop("Auto_Renew__c", "Auto Renew", "flag"), prop("Renewed_Opportunity__c", "Renewed Opportunity", "reference"),
             prop("Go_Live__c", "Go-live date"), prop("ARR__c", "ARR", "number"), prop("Notice_Deadline__c", "Notice deadline", "date"))  # fmt: skip
    made.schema["opportunity"]["Type"] = choice(
        "Type", "Opportunity Type", {"New Business": "New Business", "Renewal": "Renewal", "Add-On": "Add-On"}
    )
    made.add("contract_line", prop("Subscription_Start__c", "Subscription Start Date", "date"), prop("Subscription_End__c", "Subscription End Date", "date"),
             choice("Billing_Frequency__c", "Billing Frequency", {"Monthly": "Monthly", "Annual": "Annual"}))  # fmt: skip
    words = {"new": "New Business", "renewal": "Renewal", "expansion": "Add-On"}
    for s in sold(made.rng, 40, (12, 36)):
        made.row("opportunity", s.deal, s.company, IsWon=True, IsClosed=True, Amount=s.whole, CloseDate=s.start - 3 * DAY,
                 Type=words[s.kind], Contract_Number__c=f"{s.number:06}", Notice_Period_Months__c=made.rng.choice("123"),
                 Auto_Renew__c=made.rng.random() < 0.5, Renewed_Opportunity__c=s.before or None, Go_Live__c=f"{s.start:%d.%m.%Y}",
                 ARR__c=s.yearly, Notice_Deadline__c=s.end - 90 * DAY, RecordType={"DeveloperName": "Renewal" if s.kind == "renewal" else "Standard"})  # fmt: skip
        made.row("contract_line", f"{s.deal}1", s.deal, Quantity=10, TotalPrice=s.whole, Subscription_Start__c=s.start,
                 Subscription_End__c=s.end - DAY, Billing_Frequency__c=made.rng.choice(("Monthly", "Annual")), Product2={"Name": s.product})  # fmt: skip
        if s.kind == "new":
            made.row("account", s.company, Name="x", Type="Customer - Direct")
    return Case(
        "Salesforce, lines, contracts", made.portal(("Standard", "Standard"), ("Renewal", "Renewal"), contract_objects={"Contract": 40}), "L",
        {
            ("opportunity", "opportunity_type"): {"property": "Type", "values": {"New Business": "new", "Renewal": "renewal", "Add-On": "expansion"}},
            ("opportunity", "contract_number"): "Contract_Number__c",
            ("opportunity", "notice_months"): "Notice_Period_Months__c",
            ("opportunity", "is_auto_renew"): "Auto_Renew__c",
            ("opportunity", "renews_id"): "Renewed_Opportunity__c",
            ("opportunity", "term_start"): None,
            ("contract_line", "term_start"): "Subscription_Start__c",
            ("contract_line", "term_end"): {"property": "Subscription_End__c", "add_days": 1},
            ("contract_line", "billing_frequency"): {"property": "Billing_Frequency__c", "values": {"Monthly": "monthly", "Annual": "annually"}},
            ("contract_line", "is_recurring"): {"property": "Billing_Frequency__c", "is_set": True},
            ("contract_line", "amount_per"): {"always": "term"},
        }, ("Renewal",),
    )  # fmt: skip


SEVEN = (english_lines, german_deals, chinese_company, german_company, english_deals_in_years, chinese_lines,
         salesforce_lines)  # fmt: skip
