"""Portals that store contracts in company fields (way C)."""

from __future__ import annotations

from tests.operations.mapping_proposal.world import BOUGHT, DAY, TODAY, Case, choice, hubspot, prop, sold


def chinese_company() -> Case:
    """C: Chinese company fields, customers among many leads, a status to translate."""
    made = hubspot(3)
    made.add(
        "account",
        prop("arr_cny", "年度经常性收入", "number"),
        prop("xuyue_riqi", "续约日期", "date"),
        prop("hetong_kaishi", "合同开始日期", "date"),
        choice("kehu_zhuangtai", "客户状态", {"1": "服务中", "2": "已流失"}),
        choice("kehu_dengji", "客户等级", {"S": "S级", "A": "A级"}),
        prop("arr_mubiao", "ARR目标", "number"),
        prop("xuyue_tixing", "续约提醒日期", "date"),
    )
    made.add("contact", choice("juese", "联系人角色", {"1": "决策者", "2": "使用者", "3": "支持者"}))
    newest = {s.company: s for s in sold(made.rng, 70, (12, 24)) if s.kind != "expansion"}
    for s in newest.values():
        is_lost = s.end < TODAY
        made.row(
            "account",
            s.company,
            name="x",
            arr_cny=s.yearly,
            xuyue_riqi=s.end,
            hetong_kaishi=s.start,
            kehu_zhuangtai="2" if is_lost else "1",
            kehu_dengji=made.rng.choice("SA"),
            arr_mubiao=s.yearly * 2,
            xuyue_tixing=s.end - 90 * DAY,
            annualrevenue=900_000,
            **BOUGHT,
        )
        made.row("contact", f"{s.company}9", email="x@y.example", juese=made.rng.choice("123"))
    made.leads(120)
    return Case(
        "zh, company",
        made.portal(("default", "销售")),
        "C",
        {
            ("account", "contract_arr"): "arr_cny",
            ("account", "renewal_date"): "xuyue_riqi",
            ("account", "contract_start"): "hetong_kaishi",
            ("account", "contract_status"): {"property": "kehu_zhuangtai", "values": {"1": "active", "2": "lost"}},
            ("account", "tier"): "kehu_dengji",
            ("contact", "role"): {"property": "juese", "values": {"1": "decision_maker", "2": "user", "3": "champion"}},
        },
    )


def german_company() -> Case:
    """C: the field named ARR contains the amount of the whole term; MRR is right; ends are inclusive."""
    made = hubspot(4)
    made.add(
        "account",
        prop("arr", "ARR", "number"),
        prop("mrr", "MRR (EUR)", "number"),
        prop("vertragsstart", "Vertragsstart", "date"),
        prop("vertragsende", "Vertragsende", "date"),
        choice("vertragsstatus", "Vertragsstatus", {"aktiv": "Aktiv", "gekuendigt": "Gekündigt"}),
    )
    newest = {s.company: s for s in sold(made.rng, 60, (12, 24, 36)) if s.kind != "expansion"}
    for s in newest.values():
        made.row(
            "account",
            s.company,
            name="x",
            arr=s.whole,
            mrr=round(s.yearly / 12, 2),
            vertragsstart=s.start,
            vertragsende=s.end - DAY,
            vertragsstatus=made.some("aktiv", 0.9) or "gekuendigt",
            **BOUGHT,
        )
    made.leads(30)
    return Case(
        "de, company, ARR is of the term",
        made.portal(("default", "Vertrieb")),
        "C",
        {
            ("account", "contract_arr"): None,
            ("account", "contract_mrr"): "mrr",
            ("account", "renewal_date"): {"property": "vertragsende", "add_days": 1},
            ("account", "contract_start"): "vertragsstart",
            ("account", "contract_status"): {
                "property": "vertragsstatus",
                "values": {"aktiv": "active", "gekuendigt": "lost"},
            },
        },
    )


def english_company_mrr() -> Case:
    """C: only a monthly fee, two renewal dates of which one is stale, ARR as text."""
    made = hubspot(11)
    made.add(
        "account",
        prop("monthly_fee_net", "Monthly fee (net)", "number"),
        prop("renewal_date", "Renewal date", "date"),
        prop("up_for_renewal", "Up for renewal on", "date"),
        prop("arr_text", "ARR"),
        prop("contract_signed", "Contract signed on", "date"),
        prop("subscription_began", "Subscription began", "date"),
        choice("sub_state", "Subscription state", {"live": "Live", "canc": "Cancelled"}),
    )
    newest = {s.company: s for s in sold(made.rng, 60, (12, 24)) if s.kind != "expansion"}
    for s in newest.values():
        made.row(
            "account",
            s.company,
            name="x",
            monthly_fee_net=round(s.yearly / 12, 2),
            up_for_renewal=s.end,
            subscription_began=s.start,
            renewal_date=made.some("2022-03-01", 0.4),
            arr_text=f"EUR {s.yearly:,}",
            contract_signed=s.start - 30 * DAY,
            sub_state="live" if s.end > s.start.today() else "canc",
            **BOUGHT,
        )
    made.leads(50)
    return Case(
        "en, company, MRR only",
        made.portal(("default", "Sales")),
        "C",
        {
            ("account", "contract_arr"): None,
            ("account", "contract_mrr"): "monthly_fee_net",
            ("account", "renewal_date"): "up_for_renewal",
            ("account", "contract_start"): "subscription_began",
            ("account", "contract_status"): {"property": "sub_state", "values": {"live": "active", "canc": "lost"}},
        },
    )
