"""By which names and labels people call what our columns hold, in English, German, Chinese, French and Spanish."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# frequency: how often it is billed; date; number; months: a length of time; flag; kind, role, status: a choice that is translated; text; deal, line: the id
# of one; choice: any.
Holds = Literal[
    "date", "number", "months", "flag", "kind", "role", "status", "frequency", "text", "deal", "line", "choice"
]


@dataclass(frozen=True)
class Sought:
    """A column for which a property is looked for.

    Args:
        entity: The entity.
        column: The column; one that is none of the entity's only serves as evidence.
        holds: What its values must be.
        phrases: What people call it.
        names: What vendors call it: exact names, the surest first.
        also: What people call something that can stand for it.
        avoid: Words that mean something else.
        cost: What is missing without it; "" where that costs nothing worth saying.
        is_rare: Whether it is empty in most rows by nature.
    """

    entity: str
    column: str
    holds: Holds
    phrases: tuple[str, ...]
    names: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()
    cost: str = ""
    is_rare: bool = False


# In any name: it is not, or no longer, what it seems to be.
AVOID = (
    "test", "old", "alt", "alte", "alter", "altes", "previous", "prev", "vorherig", "vorherige", "vorheriger", "legacy",
    "deprecated", "obsolete", "do not use", "nicht verwenden", "nicht benutzen", "veraltet", "backup", "import",
    "imported", "temp", "tmp", "copy", "kopie", "forecast", "prognose", "target", "ziel", "planned", "geplant",
    "potential", "potenzial", "potenziell", "expected", "erwartet", "estimate", "estimated", "geschatzt", "lost",
    "competitor", "wettbewerber", "ancien", "no usar", "rate", "growth", "wachstum", "quote", "angebot", "first",
    "unused", "historic", "historical", "migration", "sandbox", "dummy",
    "测试", "旧", "废弃", "停用", "备份", "预测", "预计", "目标", "上一", "上次", "历史", "竞争",
)  # fmt: skip
# Words that say nothing.
FILLERS = frozenset(
    ["the", "of", "a", "an", "in", "for", "per", "on", "at", "is", "hs", "c", "custom", "current", "currently", "aktuell", "aktuelle", "aktueller", "aktuelles", "actual", "datum", "date", "day", "eur", "usd", "cny", "rmb", "gbp", "chf", "amount", "betrag", "value", "wert", "field", "feld", "property", "crm", "contract", "vertrag", "vertrags", "deal", "customer", "kunde", "kunden", "account", "company", "firma", "der", "die", "das", "des", "den", "dem", "zum", "am", "im", "du", "de", "la", "le", "les", "el", "und", "and", "our", "unser", "net", "netto", "brutto", "total", "gesamt", "monate", "months", "month", "monaten", "years", "jahre", "cf", "x", "sf", "hubspot"]
)

_ARR = (
    "arr", "annual recurring revenue", "annual contract value", "acv", "yearly recurring revenue",
    "annual recurring value", "annual value", "annual fee", "yearly value", "annual subscription value",
    "jahrlich wiederkehrender umsatz", "wiederkehrender jahresumsatz", "jahrlicher vertragswert", "jahresvertragswert",
    "jahreswert", "jahresgebuhr", "jahresbetrag", "wiederkehrender umsatz jahr", "jahrliche vertragssumme",
    "jahreslizenzwert", "年度经常性收入", "年经常性收入", "年度合同额", "年合同额", "年度合同金额", "年费", "年化收入",
    "revenu annuel recurrent", "ingresos recurrentes anuales",
)  # fmt: skip
_MRR = (
    "mrr", "monthly recurring revenue", "monthly fee", "monthly value", "monatlich wiederkehrender umsatz",
    "wiederkehrender monatsumsatz", "monatsgebuhr", "monatswert", "monatsbetrag", "月度经常性收入", "月经常性收入", "月费",
    "revenu mensuel recurrent", "ingresos recurrentes mensuales",
)  # fmt: skip
_NOT_MONEY = ("upsell", "expansion", "churn", "churned", "target", "range", "band", "bucket", "revenue", "upside",
              "last year", "vorjahr", "last", "去年")  # fmt: skip
_START = (
    "contract start", "contract start date", "contract begin", "subscription start", "term start", "start of term",
    "service start", "service start date", "start of service", "license start", "licence start", "agreement start",
    "contract effective date", "effective date", "vertragsbeginn", "vertragsstart", "beginn vertrag", "laufzeitbeginn",
    "laufzeit ab", "laufzeit von", "laufzeit start", "leistungsbeginn", "leistungsstart", "lizenzbeginn", "gultig ab",
    "vertrag ab", "vertrag von", "合同开始", "合同开始日期", "合同起始", "合同起始日", "服务开始", "起始日期", "生效日期", "开始日期",
    "debut contrat", "debut du contrat", "inicio contrato", "inicio del contrato", "start date", "period start",
    "startdatum", "beginn",
)  # fmt: skip
_END = (
    "contract end", "contract end date", "contract expiry", "contract expiration", "contract expires", "expiry date",
    "expiration date", "end of contract", "end of term", "term end", "subscription end", "service end", "license end",
    "license expiry", "agreement end", "contract until", "valid until", "vertragsende", "ende vertrag", "vertrag bis",
    "laufzeitende", "laufzeit bis", "laufzeit ende", "leistungsende", "lizenzende", "gultig bis", "vertragsablauf",
    "ablaufdatum", "合同结束", "合同结束日期", "合同到期", "合同到期日", "到期日", "到期日期", "服务结束", "结束日期", "截止日期",
    "合同截止", "fin contrat", "fin du contrat", "fin contrato", "fin del contrato", "end date", "period end",
    "enddatum", "last day of contract", "last contract day",
)  # fmt: skip
_RENEWAL = (
    "renewal date", "next renewal", "next renewal date", "renewal due", "renewal due date", "renews on", "renewal on",
    "contract renewal date", "subscription renewal date", "verlangerungsdatum", "nachste verlangerung",
    "verlangerung am", "vertragsverlangerung", "verlangerung fallig", "nachstes verlangerungsdatum", "续约日期", "续约日",
    "下次续约", "续费日期", "续签日期", "date de renouvellement", "fecha de renovacion",
)  # fmt: skip
_MONTHS = (
    "contract length", "contract term", "contract duration", "term months", "term in months", "term length",
    "contract period", "duration months", "subscription term", "subscription length", "term", "initial term",
    "laufzeit", "vertragslaufzeit", "laufzeit monate", "vertragsdauer", "mindestlaufzeit", "合同期限", "合同时长",
    "合同周期", "服务期限", "订阅期限", "期限", "duree contrat", "duree du contrat", "duracion contrato",
)  # fmt: skip
_NOTICE = (
    "notice period", "notice months", "cancellation notice", "cancellation period", "termination notice",
    "notice", "termination notice period", "notice term", "kundigungsfrist", "kundigungsfrist monate", "frist kundigung",
    "通知期", "解约通知期", "提前通知", "解约通知", "终止通知期", "preavis", "plazo de preaviso",
)  # fmt: skip
_NOT_NOTICE = ("given", "received", "sent", "deadline", "eingang", "eingegangen", "by", "bis", "截止", "收到")
_AUTO = (
    "auto renew", "auto renewal", "autorenew", "automatic renewal", "automatically renews", "renews automatically",
    "auto renewing", "automatische verlangerung", "automatische vertragsverlangerung", "autom verlangerung",
    "verlangert sich automatisch", "auto verlangerung", "自动续约", "自动续费", "自动续签", "自动延期", "renouvellement automatique",
    "renovacion automatica", "tacit renewal",
)  # fmt: skip
_GIVEN = (
    "notice given", "notice given on", "cancellation received", "cancellation date", "notice received",
    "termination received", "cancelled on", "canceled on", "cancellation received on", "kundigung eingegangen",
    "kundigung erhalten", "kundigungseingang", "gekundigt am", "kundigung am", "kundigungsdatum", "解约日期", "收到解约通知",
    "终止通知日期", "通知解约", "resiliation recue",
)  # fmt: skip
_NUMBER = (
    "contract number", "contract no", "contract id", "contract nr", "contract ref", "contract reference",
    "agreement number", "subscription id", "subscription number", "vertragsnummer", "vertragsnr", "vertrags nr",
    "vertrag nr", "vertrags id", "合同编号", "合同号", "合同号码", "协议编号", "numero de contrat", "numero de contrato",
)  # fmt: skip
_RENEWS = (
    "renewed deal", "renews deal", "previous deal", "renewal of", "parent deal", "predecessor deal", "replaces deal",
    "original deal", "prior deal", "renewed opportunity", "prior opportunity", "source deal", "renewed from",
    "renewal from deal", "vorgangerdeal", "vorganger", "vorheriger deal", "verlangert deal", "ursprungsdeal",
    "verlangerung von", "续约自", "原订单", "原商机", "上一合同", "前一商机", "原合同", "renewed contract", "previous opportunity",
)  # fmt: skip
_TYPE = (
    "deal type", "deal kind", "opportunity type", "type of deal", "type of business", "business type", "sales type",
    "contract type", "deal category", "order type", "type", "geschaftsart", "dealtyp", "deal art", "auftragsart",
    "vertragsart", "art des geschafts", "abschlussart", "verkaufsart", "业务类型", "订单类型", "合同类型", "商机类型", "签约类型",
    "交易类型", "type de vente", "tipo de negocio", "new or renewal",
)  # fmt: skip
_TIER = (
    "customer tier", "account tier", "tier", "customer segment", "account segment", "segment", "customer class",
    "kundensegment", "kundenklasse", "kundenklassifizierung", "abc kunde", "abc klasse", "kundenstufe", "betreuungsstufe",
    "客户等级", "客户级别", "客户分级", "客户层级", "service level", "support level",
)  # fmt: skip
_IS_TEST = (
    "is test account", "test account", "test company", "is test", "internal account", "demo account", "is internal",
    "testkunde", "testaccount", "test kunde", "interner account", "interne firma", "测试账号", "测试客户", "内部账号",
)  # fmt: skip
_ROLE = (
    "buying role", "contact role", "role", "stakeholder role", "role in account", "decision role", "persona role",
    "rolle", "kontaktrolle", "rolle im kaufprozess", "ansprechpartner rolle", "entscheiderrolle", "funktion im projekt",
    "角色", "联系人角色", "决策角色", "采购角色", "roles", "role dans l achat",
)  # fmt: skip
_STATUS = (
    "contract status", "subscription status", "customer status", "account status", "status of contract",
    "vertragsstatus", "kundenstatus", "abo status", "status vertrag", "合同状态", "客户状态", "订阅状态", "statut contrat",
)  # fmt: skip
_CURRENCY = ("currency", "contract currency", "wahrung", "vertragswahrung", "币种", "货币", "devise", "moneda")
_PAUSED = (
    "paused on",
    "pause start",
    "paused from",
    "pausiert ab",
    "pause von",
    "pausenbeginn",
    "暂停日期",
    "暂停开始",
)
_RESUMED = (
    "resumed on",
    "pause end",
    "paused until",
    "pausiert bis",
    "pause bis",
    "pausenende",
    "恢复日期",
    "暂停结束",
)

_LOST_NOTICE = "alerts count back from the due date, not from the notice deadline"

SOUGHT: tuple[Sought, ...] = (
    Sought("account", "tier", "choice", _TIER, ("customer_tier", "Customer_Tier__c"),
           cost="every account gets the grace and the playbooks of `default`"),
    Sought("account", "is_test", "flag", _IS_TEST, ("is_test_account", "Is_Test_Account__c"), is_rare=True,
           cost="test companies count as customers; exclude them in settings.yaml"),
    Sought("account", "contract_arr", "number", _ARR, avoid=_NOT_MONEY),
    Sought("account", "contract_mrr", "number", _MRR, avoid=_NOT_MONEY),
    Sought("account", "contract_start", "date", _START),
    Sought("account", "renewal_date", "date", _RENEWAL, also=_END,
           avoid=("reminder", "notice", "erinnerung", "last renewal", "letzte verlangerung", "kundigung", "提醒")),
    Sought("account", "contract_status", "status", _STATUS),
    Sought("account", "contract_currency", "choice", _CURRENCY, ("CurrencyIsoCode",)),
    Sought("contact", "role", "role", _ROLE, ("hs_buying_role",),
           avoid=("job", "title", "position", "seniority", "employment", "sub", "hierarchy"),
           cost="nobody is known to decide, so playbooks cannot ask the right person"),
    Sought("opportunity", "opportunity_type", "kind", _TYPE, ("dealtype", "Type"),
           cost="renewals are told from their pipeline and from what they follow"),
    Sought("opportunity", "contract_number", "text", _NUMBER,
           avoid=("customer", "kunden", "invoice", "rechnung", "客户", "发票"),
           cost="what renews what is told from references, types, products and dates"),
    Sought("opportunity", "renews_id", "deal", _RENEWS, avoid=("count", "amount", "date", "name")),
    Sought("opportunity", "term_start", "date", _START, avoid=("project", "projekt", "onboarding", "kickoff", "项目")),
    Sought("opportunity", "term_end", "date", _END, also=_RENEWAL, avoid=("project", "projekt", "项目", "trial")),
    Sought("opportunity", "term_months", "months", _MONTHS,
           avoid=("payment", "zahlung", "付款", "notice", "kundigung", "trial", "billing", "rechnung")),
    Sought("opportunity", "notice_months", "months", _NOTICE, avoid=_NOT_NOTICE, cost=_LOST_NOTICE),
    Sought("opportunity", "is_auto_renew", "flag", _AUTO, avoid=("discount", "price", "rabatt"),
           cost="every term is taken to end unless somebody renews it"),
    Sought("opportunity", "notice_given_on", "date", _GIVEN, avoid=("deadline", "frist", "period", "reminder"), is_rare=True,
           cost="a customer who has given notice is known only when the renewal deal is lost"),
    Sought("contract_line", "term_start", "date", _START, ("hs_recurring_billing_start_date", "ServiceDate")),
    Sought("contract_line", "term_end", "date", _END, ("hs_recurring_billing_end_date",)),
    Sought("contract_line", "term_months", "months", _MONTHS, ("hs_recurring_billing_period", "hs_term_in_months"),
           avoid=("payment", "zahlung", "付款", "billing", "abrechnung", "账单")),
    Sought("contract_line", "billing_frequency", "frequency",
           ("billing frequency", "billing period", "billing cycle", "payment frequency", "abrechnungsintervall",
            "abrechnungsrhythmus", "zahlungsintervall", "zahlweise", "计费周期", "账单周期", "付款周期"),
           ("recurringbillingfrequency",), is_rare=True),
    Sought("contract_line", "replaces_id", "line",
           ("renewed line", "replaces line", "previous line item", "renewed subscription", "vorgangerposition", "原产品行"),
           is_rare=True),
    Sought("contract_line", "is_overage", "flag", ("overage", "is overage", "usage overage", "mehrverbrauch", "超额用量"),
           is_rare=True),
    Sought("contract_line", "is_evergreen", "flag",
           ("evergreen", "is evergreen", "open ended", "unbefristet", "no end date", "长期有效", "无固定期限"), is_rare=True),
    Sought("contract_line", "paused_on", "date", _PAUSED, is_rare=True),
    Sought("contract_line", "resumed_on", "date", _RESUMED, is_rare=True),
    Sought("contract_line", "list_amount", "number",
           ("list amount", "list price total", "amount before discount", "listenbetrag", "betrag vor rabatt", "折前金额",
            "原价金额"), ("hs_pre_discount_amount", "List_Amount__c")),
    # What the CRM itself says of a year, a month or the whole: evidence for what the amount means.
    *(
        Sought(entity, column, "number", phrases, names, avoid=_NOT_MONEY)
        for entity in ("opportunity", "contract_line")
        for column, phrases, names in (
            ("~arr", _ARR, ("hs_arr", "hs_acv")),
            ("~mrr", _MRR, ("hs_mrr",)),
            ("~tcv", ("tcv", "total contract value", "gesamtvertragswert", "合同总额", "合同总金额"), ("hs_tcv",)),
        )
    ),
)  # fmt: skip

# The words in a choice's values and labels -> ours. The first that is found counts.
KINDS = {
    "renewal": ("renew", "verlanger", "folgevertrag", "reconduc", "renouvel", "renova", "续约", "续费", "续签", "续"),
    "expansion": ("expan", "upsell", "up sell", "cross sell", "crosssell", "upgrade", "add on", "addon", "erweiter",
                  "zusatz", "nachkauf", "ausbau", "aufstock", "增购", "扩容", "扩展", "增值", "追加", "加购", "升级",
                  "amend", "ampliac", "extension de"),
    "existing": ("existing", "bestand", "老客户", "现有客户", "existant", "existente"),
    "new": ("new", "neu", "erstvertrag", "erstkauf", "initial", "nouve", "nuev", "新签", "新客户", "新购", "新单", "首次",
            "新"),
}  # fmt: skip
ROLES = {
    "decision_maker": ("decision maker", "decision", "entscheid", "budget", "economic", "buyer", "decideur", "决策", "预算",
                       "拍板", "signatory", "unterschrift"),
    "executive_sponsor": ("executive", "sponsor", "geschaftsfuhr", "vorstand", "高管", "发起人", "management"),
    "champion": ("champion", "furspreche", "promotor", "advocate", "拥护", "支持者", "倡导"),
    "influencer": ("influenc", "beeinfluss", "einfluss", "影响"),
    "legal": ("legal", "recht", "compliance", "einkauf", "procurement", "法务", "采购"),
    "veto": ("veto", "blocker", "gegner", "blockier", "反对", "阻碍"),
    "user": ("user", "anwender", "nutzer", "benutzer", "utilisat", "usuario", "使用", "用户"),
    "other": ("other", "sonstig", "andere", "其他", "autre", "otro"),
}  # fmt: skip
STATUSES = {
    "lost": ("lost", "churn", "cancel", "inactive", "inaktiv", "former", "ehemalig", "gekundigt", "ended", "expired",
             "beendet", "abgelaufen", "verloren", "terminat", "流失", "终止", "已到期", "失效", "解约", "过期"),
    "active": ("active", "aktiv", "live", "current", "laufend", "ungekundigt", "customer", "bestandskunde", "有效", "生效",
               "活跃", "正常", "履行中", "服务中"),
}  # fmt: skip
# In the words of HubSpot, which the query knows.
FREQUENCIES = {
    "per_six_months": ("semi", "half year", "six months", "halbjahr", "每半年", "半年", "biannual"),
    "per_two_years": ("two years", "2 years", "zweijahr", "每两年", "2 jahre"),
    "per_three_years": ("three years", "3 years", "dreijahr", "每三年", "3 jahre"),
    "quarterly": ("quarter", "quartal", "vierteljahr", "每季度", "季付", "按季", "季"),
    "annually": ("annual", "year", "jahr", "每年", "年付", "按年", "年"),
    "monthly": ("month", "monat", "每月", "月付", "按月", "月"),
    "biweekly": ("biweek", "every two weeks", "zweiwochig", "每两周"),
    "weekly": ("week", "wochen", "每周"),
}  # fmt: skip
YES = ("auto", "automat", "yes", "ja", "true", "是", "自动", "si", "oui", "wahr", "enabled", "aktiv", "verlanger")
NO = ("manual", "manuell", "no", "nein", "kein", "keine", "not", "nicht", "false", "否", "不", "手动", "non", "falsch",
      "disabled", "inaktiv", "opt in", "ohne")  # fmt: skip
# A length of time that is in something other than months.
IN_DAYS = ("days", "day", "tage", "tagen", "天", "日数", "jours", "dias")
IN_YEARS = ("years", "year", "jahre", "jahren", "年", "annees", "anos")
RENEWAL_PIPELINE = KINDS["renewal"][:-1] + ("bestandskunden verlang",)
