"""Words for the names of companies, people and tickets, including some that break careless software."""

from __future__ import annotations

import random

_FIRST_WORDS = (
    "Alder", "Amber", "Anchor", "Apex", "Arbor", "Aster", "Atlas", "Aurora", "Basalt", "Beacon", "Birch", "Bluefin",
    "Bramble", "Bright", "Cardinal", "Cedar", "Cinder", "Cobalt", "Copper", "Coral", "Crest", "Delta", "Drift", "Dune",
    "Eastgate", "Elm", "Ember", "Falcon", "Fern", "Fjord", "Flint", "Garnet", "Glacier", "Granite", "Harbor", "Hazel",
    "Heron", "Hollow", "Indigo", "Iris", "Ivory", "Jade", "Juniper", "Kestrel", "Kite", "Lark", "Linden", "Lumen",
    "Maple", "Marble", "Meridian", "Merlin", "Mistral", "Nimbus", "North", "Oak", "Onyx", "Opal", "Orchard", "Osprey",
    "Pebble", "Pine", "Polar", "Quarry", "Quartz", "Raven", "Reed", "Ridge", "River", "Rowan", "Sable", "Saffron",
    "Sage", "Sierra", "Slate", "Solstice", "Sparrow", "Spruce", "Sterling", "Summit", "Tamarack", "Thistle", "Tidal",
    "Topaz", "Umber", "Vale", "Verdant", "Vesper", "Violet", "Walnut", "Wharf", "Willow", "Winter", "Wren", "Zephyr",
)  # fmt: skip
_SECOND_WORDS = (
    "Analytics", "Bank", "Capital", "Care", "Cargo", "Clinics", "Cloud", "Commerce", "Components", "Diagnostics",
    "Dynamics", "Education", "Energy", "Foods", "Freight", "Health", "Insurance", "Labs", "Learning", "Logistics",
    "Machines", "Markets", "Mobility", "Networks", "Optics", "Outfitters", "Payments", "Pharma", "Robotics", "Software",
    "Supply", "Systems", "Telecom", "Textiles", "Tools", "Travel", "Ventures", "Works",
)  # fmt: skip
_LEGAL = {
    "United States": ("Inc.", "LLC"), "Germany": ("GmbH", "AG"), "United Kingdom": ("Ltd",), "France": ("SA", "SAS"),
    "Netherlands": ("B.V.",), "Japan": ("K.K.",), "China": ("Co., Ltd.",), "Brazil": ("S.A.",), "India": ("Pvt. Ltd.",),
}  # fmt: skip
_PEOPLE = {
    "United States": ("Avery Blake Casey Dana Elliot Harper Jordan Morgan Quinn Riley", "Adams Brooks Carter Diaz "
                      "Ellis Foster Hayes Jenkins Nguyen Parker"),
    "Germany": ("Anke Bernd Claudia Dirk Heike Jörg Jürgen Sören Ute Zoë", "Bäcker Fuchs Groß Krüger Lehmann Müller "
                "Schäfer Weiß Vogel Zöller"),
    "United Kingdom": ("Alistair Beatrice Callum Fiona Graham Imogen Nigel Rupert Saoirse Tess", "Ashworth Barlow "
                       "Clegg Fairfax O'Brien Pemberton Sykes Thatcher Whitlock Yates"),
    "France": ("Aurélie Benoît Chloé Étienne François Hélène Maëlle Noël Rémi Zélie", "Bérard Chevalier Delacroix "
               "Fontaine Gauthier Lefèvre Moreau Rousseau Séguin Vidal"),
    "Netherlands": ("Anouk Bram Femke Joost Lotte Maarten Niels Sanne Thijs Wouter", "Bakker Dekker Hoekstra Jansen "
                    "Kuipers Mulder Postma Smit Verhoeven Visser"),
    "Japan": ("葵 陽翔 さくら 健太 美咲 大輔 結衣 翔 直樹 恵", "佐藤 鈴木 高橋 田中 伊藤 渡辺 山本 中村 小林 加藤"),
    "China": ("伟 芳 娜 敏 静 磊 洋 艳 勇 杰", "王 李 张 刘 陈 杨 黄 赵 吴 周"),
    "Brazil": ("Ana Bruno Conceição Davi Érica Fábio João Letícia Mônica Rogério", "Almeida Barbosa Conceição Duarte "
               "Ferrão Gonçalves Magalhães Nóbrega Souza Távora"),
    "India": ("Aarav Ananya Deepak Ishaan Kavya Meera Nikhil Priya Rohan Shreya", "Agarwal Banerjee Chatterjee Gupta "
              "Iyer Joshi Kapoor Menon Patel Reddy"),
}  # fmt: skip
# Latin letters for mail addresses of people whose names have none.
_ROMAN = {"Japan": "yamada", "China": "li"}

HOSTILE_COMPANIES = (
    "<script>alert('owned')</script> GmbH",
    "=HYPERLINK(\"http://evil.example\",\"click\") Ltd",
    "Smith & Sons <b>Freight</b> \"Prime\"",
    "🚀 Möbius 数据 Labs ✨",
    "شركة النور للتجارة",
    "\u202eevil\u202c Reversed Inc.",
    "Robert'); DROP TABLE accounts;--",
    "@SUM(1+1)*cmd|' /C calc'!A0",
)  # fmt: skip
HOSTILE_SUBJECTS = (
    "<img src=x onerror=alert(1)> does not load",
    "Здравствуйте! Отчёт пуст 🧐",
    "=cmd|' /C calc'!A0",
    "لا أستطيع تسجيل الدخول",
    "Line one\nline two\ttabbed",
    "*Bold?* _or_ <!channel> not",
)

JOBS = {
    "DECISION_MAKER": ("Chief Operating Officer", "VP Operations", "Head of IT", "Managing Director"),
    "CHAMPION": ("Operations Manager", "Platform Lead", "Business Analyst"),
    "BUDGET_HOLDER": ("Chief Financial Officer", "Finance Director"),
    "EXECUTIVE_SPONSOR": ("Chief Executive Officer", "Chief Digital Officer"),
    "END_USER": ("Analyst", "Coordinator", "Specialist", "Team Lead"),
    "LEGAL_AND_COMPLIANCE": ("General Counsel",),
}

SUBJECTS = (
    "Export stops after the first page", "Dashboard shows yesterday's figures", "Cannot add a new user",
    "Report mail arrives twice", "Login loop with single sign-on", "Filter by region gives nothing",
    "Automation did not run on Monday", "API answers 500 on large requests", "How do I share a dashboard?",
    "Integration with our data lake fails", "Wrong time zone in the weekly report", "Please raise our API limit",
    "Import of CSV file rejected", "Chart colours not readable", "Need help with permissions",
)  # fmt: skip
STORM_SUBJECTS = (
    "Production down for all of our users", "Data loss after the last update", "Still no fix for the failing import",
    "Escalation: reports wrong for the third time", "Nobody answers our urgent ticket",
)  # fmt: skip
COMPETITORS = ("Northwind Insights", "Looplytics", "Clearboard")
LOST_REASONS = {
    "low_adoption": "Not used enough", "support_pain": "Unhappy with support", "champion_left": "No sponsor any more",
    "competitor": "Went to a competitor", "silent": "Budget cut",
}  # fmt: skip
TEAM_NAMES = ("Operations", "Finance", "Sales", "Planning", "Service", "Engineering")


def companies(rng: random.Random, countries: list[str]) -> list[tuple[str, str]]:
    """Return a distinct name and domain for each country."""
    pairs = [(first, second) for first in _FIRST_WORDS for second in _SECOND_WORDS]
    chosen = rng.sample(pairs, len(countries))
    return [
        (f"{first} {second} {rng.choice(_LEGAL[country])}", f"{first}{second}.example".lower())
        for (first, second), country in zip(chosen, countries, strict=True)
    ]


def person(rng: random.Random, country: str, domain: str, number: int) -> tuple[str, str, str]:
    """Return a first name, a last name and a mail address that is unique in the domain."""
    firsts, lasts = (words.split() for words in _PEOPLE[country])
    first, last = rng.choice(firsts), rng.choice(lasts)
    local = _ROMAN.get(country) or "".join(c for c in last.lower() if c.isascii() and c.isalpha())
    return first, last, f"{local}.{number}@{domain}"
