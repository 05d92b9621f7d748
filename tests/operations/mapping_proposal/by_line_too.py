"""More portals that store contracts in line items (way L), one with company fields too."""

from __future__ import annotations

from tests.operations.mapping_proposal.world import BOUGHT, DAY, Case, choice, hubspot, prop, salesforce, sold


def german_lines_and_companies() -> Case:
    """L and C: odd terms with inclusive ends, yearly amount, notice as a sentence, ARR also on the company."""
    made = hubspot(8)
    made.add(
        "contract_line",
        prop("leistungszeitraum_von", "Leistungszeitraum von", "date"),
        prop("leistungszeitraum_bis", "Leistungszeitraum bis", "date"),
    )
    made.add(
        "opportunity",
        prop("vertragsnr", "Vertrags-Nr."),
        prop("kuendigung", "Kündigungsfrist in Monaten"),
        choice("auftragstyp", "Auftragstyp", {"1": "Neugeschäft", "2": "Verlängerung", "3": "Cross-/Upselling"}),
        prop("kundennummer", "Kundennummer"),
        prop("letzte_verlaengerung", "Datum letzte Verlängerung", "date"),
    )
    made.add(
        "account",
        prop("arr_aktuell", "ARR aktuell (EUR)", "number"),
        prop("verlaengerung_zum", "Verlängerung zum", "date"),
        prop("arr_vorjahr", "ARR Vorjahr", "number"),
    )
    kinds = {"new": "1", "renewal": "2", "expansion": "3"}
    newest = {}
    for s in sold(made.rng, 45, (12, 24, 36), products=("Basis", "Profi"), odd=True):
        newest[s.company] = s if s.kind != "expansion" else newest[s.company]
        made.won(
            s,
            amount=s.whole,
            pipeline="vl" if s.kind == "renewal" else "default",
            closedate=f"{s.start - 5 * DAY}",
            vertragsnr=f"{s.number}/{s.start.year}-K",
            kuendigung=made.rng.choice(("3 Monate zum Laufzeitende", "6 Wochen zum Quartal")),
            auftragstyp=kinds[s.kind],
            kundennummer=f"{s.number:06}",
            letzte_verlaengerung=s.start,
        )
        made.line(
            s,
            amount=s.yearly,
            recurringbillingfrequency="annually",
            leistungszeitraum_von=s.start,
            leistungszeitraum_bis=s.end - DAY,
        )
    for s in newest.values():
        made.row(
            "account",
            s.company,
            name="x",
            arr_aktuell=s.yearly,
            arr_vorjahr=s.yearly * 0.9,
            verlaengerung_zum=s.end,
            **BOUGHT,
        )
    made.leads(30)
    return Case(
        "de, lines and company, odd terms",
        made.portal(("default", "Neukunden"), ("vl", "Verlängerungen")),
        "CL",
        {
            ("account", "contract_arr"): "arr_aktuell",
            ("account", "renewal_date"): "verlaengerung_zum",
            ("opportunity", "opportunity_type"): {
                "property": "auftragstyp",
                "values": {"1": "new", "2": "renewal", "3": "expansion"},
            },
            ("opportunity", "contract_number"): "vertragsnr",
            ("opportunity", "notice_months"): None,
            ("contract_line", "term_start"): "leistungszeitraum_von",
            ("contract_line", "term_end"): {"property": "leistungszeitraum_bis", "add_days": 1},
            ("contract_line", "billing_frequency"): "recurringbillingfrequency",
            ("contract_line", "is_recurring"): {"property": "recurringbillingfrequency", "is_set": True},
            # A line billed once a year with a yearly amount: both readings are right.
            ("contract_line", "amount_per"): {"always": "period"},
        },
        ("vl",),
    )


def german_lines() -> Case:
    """L: HubSpot's dates, amounts per billing period, none of HubSpot's computed values, yearly deal amounts."""
    made = hubspot(12)
    made.add(
        "opportunity",
        prop("kuendbar_bis", "Kündbar bis", "date"),
        prop("kfrist", "Kündigungsfrist (Tage)", "number"),
        choice("autoverl", "Verlängert sich automatisch?", {"1": "Ja, um 12 Monate", "0": "Nein, endet"}),
        choice(
            "art", "Art des Auftrags", {"N": "Erstauftrag Neukunde", "V": "Vertragsverlängerung", "Z": "Zusatzauftrag"}
        ),
        prop("vorgaenger_deal", "ID Vorgänger-Deal"),
        prop("vertrags_id", "Vertrags-ID"),
    )
    kinds = {"new": "N", "renewal": "V", "expansion": "Z"}
    for s in sold(made.rng, 45, (12, 24), products=("Basis", "Profi")):
        period = made.rng.choice((1, 3, 12))
        made.won(
            s,
            amount=s.yearly,
            pipeline="default",
            closedate=f"{s.start - 5 * DAY}",
            kuendbar_bis=s.end - 90 * DAY,
            kfrist=90,
            autoverl=made.rng.choice("10"),
            art=kinds[s.kind],
            vorgaenger_deal=s.before or None,
            vertrags_id=f"{s.number:05}",
        )
        made.row(
            "contract_line",
            f"{s.deal}1",
            s.deal,
            name=s.product,
            quantity=2,
            amount=round(s.yearly * period / 12, 2),
            recurringbillingfrequency={1: "monthly", 3: "quarterly", 12: "annually"}[period],
            hs_recurring_billing_start_date=s.start,
            hs_recurring_billing_period=f"P{s.months}M",
            hs_recurring_billing_end_date=s.end,
        )
        if s.kind == "new":
            made.row("account", s.company, name="x", **BOUGHT)
    return Case(
        "de, lines, deal is a year's",
        made.portal(("default", "Vertrieb"), ("p9", "Partner")),
        "L",
        {
            ("opportunity", "opportunity_type"): {
                "property": "art",
                "values": {"N": "new", "V": "renewal", "Z": "expansion"},
            },
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
    )


def chinese_salesforce() -> Case:
    """L: Salesforce with Chinese labels, lengths in months and no end dates."""
    made = salesforce(13)
    made.add(
        "contract_line",
        prop("Start__c", "服务起始日", "date"),
        prop("Months__c", "服务期（月）", "number"),
        prop("YF__c", "年费金额", "number"),
    )
    made.add(
        "opportunity",
        choice("YW__c", "业务性质", {"新客户": "新客户", "老客户续约": "老客户续约", "老客户增购": "老客户增购"}),
        prop("HT__c", "合同编码"),
        prop("TZ__c", "解约通知期限（月）", "number"),
        prop("JY__c", "收到解约通知日期", "date"),
    )
    made.add("account", choice("Level__c", "客户级别", {"战略": "战略", "普通": "普通"}))
    kinds = {"new": "新客户", "renewal": "老客户续约", "expansion": "老客户增购"}
    for s in sold(made.rng, 45, (12, 24, 36), products=("标准", "企业")):
        made.won(
            s,
            Amount=s.whole,
            CloseDate=s.start - 3 * DAY,
            YW__c=kinds[s.kind],
            HT__c=f"S{s.number}",
            TZ__c=made.rng.choice((1, 3)),
            JY__c=made.some(s.end - 60 * DAY, 0.05),
        )
        made.row(
            "contract_line",
            f"{s.deal}1",
            s.deal,
            Quantity=1,
            TotalPrice=s.whole,
            Start__c=s.start,
            Months__c=f"{s.months}.0",
            YF__c=s.yearly,
            Product2={"Name": s.product},
        )
        if s.kind == "new":
            made.row("account", s.company, Name="x", Type="Customer", Level__c=made.rng.choice(("战略", "普通")))
    return Case(
        "zh, Salesforce, lines by months",
        made.portal(("Master", "Master")),
        "L",
        {
            ("account", "tier"): "Level__c",
            ("opportunity", "opportunity_type"): {
                "property": "YW__c",
                "values": {"新客户": "new", "老客户续约": "renewal", "老客户增购": "expansion"},
            },
            ("opportunity", "contract_number"): "HT__c",
            ("opportunity", "notice_months"): "TZ__c",
            ("opportunity", "notice_given_on"): "JY__c",
            ("contract_line", "term_start"): "Start__c",
            ("contract_line", "term_months"): "Months__c",
            ("contract_line", "is_recurring"): {"property": "Start__c", "is_set": True},
            ("contract_line", "amount_per"): {"always": "term"},
        },
    )


def salesforce_cpq() -> Case:
    """K: Salesforce CPQ subscriptions with prices per unit and term, next to equivalent line items."""
    made = salesforce(14)
    made.schema["contract_line"] = {
        one.name: one
        for one in (
            prop("SBQQ__Contract__r.SBQQ__Opportunity__c", "Opportunity"),
            prop("SBQQ__Account__c", "Account", "reference"),
            prop("SBQQ__ProductName__c", "Product"),
            prop("SBQQ__Quantity__c", "Quantity", "number"),
            prop("SBQQ__CustomerPrice__c", "Customer Unit Price", "number"),
            prop("SBQQ__SubscriptionType__c", "Subscription Type", "choice"),
            prop("SBQQ__StartDate__c", "Start Date", "date"),
            prop("SBQQ__EndDate__c", "End Date", "date"),
            prop("SBQQ__RevisedSubscription__c", "Revised Subscription", "reference"),
        )
    }
    renewed, kind = "SBQQ__RenewedContract__r.SBQQ__Opportunity__c", "SBQQ__SubscriptionType__c"
    made.add("opportunity", prop("SBQQ__Renewal__c", "Renewal", "flag"), prop(renewed, "Deal of the renewed contract"))
    for s in sold(made.rng, 45, (12, 24, 36), products=("Core", "Plus")):
        amount, start = s.whole, s.start - 3 * DAY
        made.row(
            "opportunity", s.deal, s.company, IsWon=True, IsClosed=True, Amount=amount, CloseDate=start,
            SBQQ__Renewal__c=s.kind == "renewal",
            SBQQ__RenewedContract__r={"SBQQ__Opportunity__c": s.before} if s.before else None,
        )  # fmt: skip
        made.row(
            "contract_line", f"{s.deal}1", s.deal, SBQQ__Quantity__c=10,
            SBQQ__CustomerPrice__c=round(s.whole / 10, 4), SBQQ__SubscriptionType__c="Renewable",
            SBQQ__StartDate__c=s.start, SBQQ__EndDate__c=s.end - DAY, SBQQ__ProductName__c=s.product,
        )  # fmt: skip
        if s.kind == "new":
            made.row("account", s.company, Name="x", Type="Customer")
    case = Case(
        "Salesforce CPQ",
        made.portal(("Master", "Master")),
        "K",
        {
            ("opportunity", "opportunity_type"): {
                "property": "SBQQ__Renewal__c",
                "values": {"true": "renewal", "false": "existing"},
            },
            ("opportunity", "renews_id"): renewed,
            ("contract_line", "replaces_id"): "SBQQ__RevisedSubscription__c",
            ("contract_line", "term_start"): "SBQQ__StartDate__c",
            ("contract_line", "term_end"): {"property": "SBQQ__EndDate__c", "add_days": 1},
            ("contract_line", "is_recurring"): {
                "property": kind,
                "is_one_of": ("Renewable", "Evergreen"),
                "if_empty": "true",
            },
            ("contract_line", "is_evergreen"): {"property": kind, "is_one_of": ("Evergreen",)},
            ("contract_line", "amount_per"): {
                "property": kind,
                "values": {"Evergreen": "month", "Renewable": "term", "One-time": "term"},
            },
        },
    )
    case.portal.objects["contract_line"] = "SBQQ__Subscription__c"
    return case
