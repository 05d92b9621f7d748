"""Three portals with rare field names, where only the values identify the columns."""

from __future__ import annotations

from tests.operations.mapping_proposal.world import BOUGHT, DAY, TODAY, Case, choice, hubspot, prop, sold


def english_rare_words() -> Case:
    """D: rare words, notice in weeks, an empty ACV, and amounts of the term next to MRR."""
    made = hubspot(31)
    made.add(
        "opportunity",
        prop("commencement", "Commencement of services", "date"),
        prop("lapses_on", "Agreement lapses on", "date"),
        prop("commitment_mths", "Commitment (mths)", "number"),
        prop("cancel_window", "Cancellation window"),
        choice("motion", "Sales motion", {"land": "Land new customer", "keep": "Renewal", "grow": "Cross-sell"}),
        prop("agreement_ref", "Agreement ref."),
        prop("acv", "ACV", "number"),
        prop("monthly", "Monthly recurring amount", "number"),
        choice("rolls_over", "Auto-extends at end of term", {"y": "Yes", "n": "No"}),
    )
    words = {"new": "land", "renewal": "keep", "expansion": "grow"}
    for s in sold(made.rng, 45, (12, 24, 36)):
        made.row(
            "opportunity", s.deal, s.company, hs_is_closed_won=True, hs_is_closed=True, amount=s.whole,
            closedate=s.start - 9 * DAY, pipeline="default", commencement=s.start, lapses_on=s.end - DAY,
            commitment_mths=s.months, cancel_window=made.rng.choice(("6 weeks", "12 weeks")), motion=words[s.kind],
            agreement_ref=f"AG/{s.number}", monthly=round(s.yearly / 12, 2), rolls_over=made.rng.choice("yn"),
        )  # fmt: skip
        if s.kind == "new":
            made.row("account", s.company, name="x", **BOUGHT)
    return Case(
        "en, deals, rare words",
        made.portal(("default", "Pipeline")),
        "D",
        {
            ("opportunity", "term_start"): "commencement",
            ("opportunity", "term_end"): {"property": "lapses_on", "add_days": 1},
            ("opportunity", "term_months"): "commitment_mths",
            ("opportunity", "notice_months"): None,
            ("opportunity", "opportunity_type"): {
                "property": "motion",
                "values": {"land": "new", "keep": "renewal", "grow": "expansion"},
            },
            ("opportunity", "contract_number"): "agreement_ref",
            ("opportunity", "is_auto_renew"): "rolls_over",
            ("opportunity", "amount_per"): {"always": "term"},
        },
    )


def german_rare_words() -> Case:
    """C: rare words, the customers' own revenue next to their ARR, and inclusive ends."""
    made = hubspot(32)
    made.add(
        "account",
        prop("wkz", "Wiederkehrender Umsatz p.a.", "number"),
        prop("jahresumsatz", "Jahresumsatz des Kunden", "number"),
        prop("laeuft_aus", "Vertrag läuft aus am", "date"),
        prop("seit", "Vertrag läuft seit", "date"),
        choice("zustand", "Zustand des Vertrags", {"l": "Laufend", "a": "Ausgelaufen", "g": "Gekündigt"}),
        choice("gruppe", "Kundengruppe", {"1": "Konzern", "2": "Mittelstand"}),
        prop("intern", "Interner Testmandant", "flag"),
    )
    newest = {s.company: s for s in sold(made.rng, 60, (12, 24)) if s.kind != "expansion"}
    for s in newest.values():
        made.row(
            "account", s.company, name="x", wkz=s.yearly, jahresumsatz=s.yearly * 400, laeuft_aus=s.end - DAY,
            seit=s.start, zustand="l" if s.end > TODAY else "a", gruppe=made.rng.choice("12"), intern=False, **BOUGHT,
        )  # fmt: skip
    made.leads(30)
    return Case(
        "de, company, rare words",
        made.portal(("default", "Vertrieb")),
        "C",
        {
            ("account", "contract_arr"): "wkz",
            ("account", "renewal_date"): {"property": "laeuft_aus", "add_days": 1},
            ("account", "contract_start"): "seit",
            ("account", "contract_status"): {
                "property": "zustand",
                "values": {"l": "active", "a": "lost", "g": "lost"},
            },
            ("account", "tier"): "gruppe",
            ("account", "is_test"): "intern",
        },
    )


def chinese_rare_words() -> Case:
    """L: rare words, yearly amounts on longer lines, deals with the total."""
    made = hubspot(33)
    made.add(
        "contract_line",
        prop("sq_kaishi", "授权启用日", "date"),
        prop("sq_jiezhi", "授权截止日", "date"),
    )
    made.add(
        "opportunity",
        choice("qy", "签约性质", {"1": "新增客户", "2": "续期", "3": "扩容"}),
        prop("xy_bh", "协议编号"),
        prop("jy_tz", "提前解约通知（天数）", "number"),
        choice("zd", "到期自动续期", {"1": "是", "2": "否"}),
    )
    words = {"new": "1", "renewal": "2", "expansion": "3"}
    for s in sold(made.rng, 45, (12, 24, 36), products=("甲", "乙")):
        made.row(
            "opportunity", s.deal, s.company, hs_is_closed_won=True, hs_is_closed=True, amount=s.whole,
            closedate=s.start - 9 * DAY, pipeline="b" if s.kind == "renewal" else "default", qy=words[s.kind],
            xy_bh=f"XY{s.number}", jy_tz=made.rng.choice((30, 90)), zd=made.rng.choice("12"),
        )  # fmt: skip
        made.row(
            "contract_line", f"{s.deal}1", s.deal, name=s.product, quantity=1, amount=s.yearly,
            recurringbillingfrequency=made.rng.choice(("monthly", "annually")), sq_kaishi=s.start, sq_jiezhi=s.end,
        )  # fmt: skip
        if s.kind == "new":
            made.row("account", s.company, name="x", **BOUGHT)
    return Case(
        "zh, lines, rare words",
        made.portal(("default", "新客户"), ("b", "续期")),
        "L",
        {
            ("contract_line", "term_start"): "sq_kaishi",
            ("contract_line", "term_end"): "sq_jiezhi",
            ("contract_line", "billing_frequency"): "recurringbillingfrequency",
            ("contract_line", "is_recurring"): {"property": "recurringbillingfrequency", "is_set": True},
            ("contract_line", "amount_per"): {"always": "year"},
            ("opportunity", "opportunity_type"): {
                "property": "qy",
                "values": {"1": "new", "2": "renewal", "3": "expansion"},
            },
            ("opportunity", "contract_number"): "xy_bh",
            ("opportunity", "notice_months"): {"property": "jy_tz", "values": {"30": "1", "90": "3"}},
            ("opportunity", "is_auto_renew"): {"property": "zd", "is_one_of": ["1"]},
        },
        ("b",),
    )


RARE = (english_rare_words, german_rare_words, chinese_rare_words)
