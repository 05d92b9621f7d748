"""Every number that shapes the sandbox world, in one place.

Only the sandbox's own world may import this file: alerts are judged on worlds whose parameters no rule has seen. Shares
are between 0 and 1, money is in US dollars, and weights need not add up to 1.
"""

from __future__ import annotations

CUSTOMERS = 240  # signed by the anchor
HISTORY_MONTHS = 18  # of usage and tickets; the CRM goes back further
BEFORE_HISTORY_DAYS = 1000  # how long before that the oldest customer signed
HORIZON_DAYS = 400  # after the anchor; nothing happens after that
CURRENCY = "USD"

# --- customers ---
SHARE_OLD = 0.62  # signed before the history starts; the rest sign evenly until the horizon
TIERS = {"key_account": 0.14, "standard": 0.36, "small": 0.50}
USERS = {"key_account": (14, 26), "standard": (6, 12), "small": (2, 5)}
SEAT_PRICE = {"key_account": (900, 1500), "standard": (700, 1100), "small": (480, 800)}
SEAT_USE = (0.45, 1.0)  # product users / paid seats of a healthy customer
EMPLOYEES = {"key_account": (400, 6000), "standard": (80, 900), "small": (10, 120)}  # unknown for one in eleven
CONTACTS = {"key_account": (5, 9), "standard": (3, 6), "small": (2, 3)}
COUNTRIES = {
    "United States": 0.34, "Germany": 0.16, "United Kingdom": 0.12, "France": 0.09, "Netherlands": 0.06,
    "Japan": 0.07, "China": 0.06, "Brazil": 0.05, "India": 0.05,
}  # fmt: skip
INDUSTRIES = (
    "COMPUTER_SOFTWARE", "FINANCIAL_SERVICES", "HOSPITAL_HEALTH_CARE", "LOGISTICS_AND_SUPPLY_CHAIN",
    "RETAIL", "MACHINERY", "TELECOMMUNICATIONS", "HIGHER_EDUCATION",
)  # fmt: skip
SHARE_NO_DECISION_MAKER = 0.12
SHARE_WITH_PARENT = 0.04
SHARE_WITHOUT_DESK = 0.06  # customers without an organisation in Zendesk
SHARE_DESK_WITHOUT_ID = 0.03  # organisations without the CRM's id
SHARE_OWNER_CHANGES = 0.15
PROSPECTS = 0.12  # companies per customer that never bought
TRIALS = 0.03  # product accounts per customer without a CRM company

# --- owners ---
TEAMS = {"Enterprise": 4, "Growth": 4}
DEACTIVATED_DAYS = 60  # before the anchor, one CSM left
SHARE_NOT_HANDED_OVER = 0.4  # of that CSM's accounts

# --- contracts ---
TERM_MONTHS = {12: 0.80, 24: 0.05, 36: 0.06, 1: 0.06, 6: 0.03}
NOTICE_MONTHS = {None: 0.30, 1: 0.20, 2: 0.15, 3: 0.35}
SHARE_AUTO_RENEW = 0.28  # of yearly terms; monthly ones always auto-renew
SHARE_SECOND_CONTRACT = 0.08
SHARE_CO_TERMED = 0.35  # of second contracts, aligned with the first at its renewal
SHARE_EXPANDS = 0.28  # of terms of a year or longer, once in mid-term
EXPANSION = (0.08, 0.35)  # additional seats, as a share
SHARE_ADD_ON = 0.30  # a second product on the contract
SHARE_DISCOUNTED = 0.40
DISCOUNT = (0.05, 0.25)
SHARE_SERVICES = 0.5  # a one-time services line on a new contract
RENEWAL_OPENS_DAYS = (100, 190)  # before the due date
# How a renewal is won, and when it closes relative to the due date, in days.
RENEWAL_KINDS = {"early": 0.15, "on_time": 0.62, "in_grace": 0.17, "after_grace": 0.06}
RENEWAL_CLOSES = {"early": (-85, -31), "on_time": (-28, 0), "in_grace": (2, 28), "after_grace": (34, 60)}
SHARE_BACK_DATED_START = 0.5  # of late renewals: the new term starts where the old one ended
PRICE_CHANGE = (-0.06, 0.10)  # at renewal
SEATS_CHANGE = (-0.12, 0.22)
SHARE_DOWNSELL = 0.10
SHARE_CORRECTED = 0.012  # of lines: the amount is corrected long after
SHARE_COMES_BACK = 0.08  # of leavers
SHARE_LOST_LEFT_OPEN = 0.06  # of losses that nobody closes in the CRM
NEW_DEALS_LOST = 0.35  # lost opportunities per prospect, and failed expansions

# --- irregular contract events (not in the world called ideal) ---
SHARE_SECOND_CONTRACT_FOUND = 0.2
EVENTS = {
    "free_months": 0.04,  # of terms of a year or longer
    "starts_early": 0.6,  # of early renewals: the new term starts before the old one is over
    "same_as_before": 0.25,  # of renewals
    "reduced": 0.2,  # of changes in mid-term
    "restarted": 0.25,  # of expansions: a new term from that day on
    "shortened": 0.2,  # of terms that are lost
    "consolidated": 0.35,  # of second contracts
}  # fmt: skip

# --- how a portal as found records its contracts; shares of contracts, deals or renewals ---
NUMBERS = {"on_all": 0.25, "on_the_first": 0.40, "on_none": 0.35}
SHARE_NUMBER_RETYPED = 0.15  # of numbers on later deals: spelled differently
SHARE_LOOKUP = 0.25  # of contracts without numbers on all deals: renewals refer to the deal that they renew
TYPES = {"right": 0.5, "missing": 0.3, "other_words": 0.2}
OTHER_WORDS = {"new": "New Logo", "renewal": "Renewal FY", "expansion": "Upsell"}
SHARE_DEAL_TYPE_FILLED = 0.6
SHARE_CUT_ON_RENEWAL = 0.5  # of renewals that start early: the old lines are cut to that day
SHARE_SIGNED_BY_PARENT = 0.5  # of customers with a parent: one renewal
SHARE_CONTACTS_ONLY = 0.03  # of deals
SHARE_SPLIT = 0.10  # of renewals with an add-on: a deal for each
SHARE_OLD_DATES_SAME, SHARE_OLD_DATES_OTHER = 0.15, 0.01  # of renewals for the same as before, and of others
SHARE_DATES_CORRECTED, DATES_CORRECTED_DAYS = 0.6, (10, 60)
SHARE_QUOTED = 0.3  # of deals: their line items are cloned for a quote
SHARE_START_NOT_TYPED = 0.15  # of new deals without line items: the close date is used instead
SHARE_END_MOVED_ON_UPGRADE = 0.5  # of such deals, when an upgrade replaces them
FIELD_TYPED_DAYS = (0, 4)  # after the change, in portals with contracts as company fields
SHARE_LEFT_STANDING = 0.15  # of losses: nobody clears the ARR
AGENTS_WHO_LEAVE = 2
SHARE_MESSAGING = 0.08  # of tickets
MESSAGING_SECONDS = (20, 900)

# --- leaving ---
LEAVES_PER_RENEWAL = {"key_account": 0.09, "standard": 0.15, "small": 0.20}
SHARE_SILENT = 0.27  # of leavers show no symptom beforehand
CAUSES = {"low_adoption": 0.40, "support_pain": 0.25, "champion_left": 0.20, "competitor": 0.15}
STAYERS_PER_LEAVER = 1.15  # stayers with a symptom, per leaver with it
SYMPTOM_LEAD_DAYS = (75, 160)  # how long before the decision it starts
USAGE_FALLS_TO = (0.12, 0.45)
USAGE_FALLS_DAYS = (21, 50)
STAYER_RECOVERS_DAYS = (45, 90)  # after the symptom started
STORM_TICKETS = (4, 9)
STORM_DAYS = 45

# --- support ---
TICKETS_PER_MONTH = {"key_account": 1.9, "standard": 0.62, "small": 0.26}
PRIORITIES = {"low": 0.22, "normal": 0.50, "high": 0.20, "urgent": 0.05, None: 0.03}
FIRST_REPLY_MINUTES = {"low": 540, "normal": 300, "high": 120, "urgent": 45, None: 300}
RESOLUTION_HOURS = {"low": 90, "normal": 60, "high": 40, "urgent": 20, None: 60}
SHARE_REOPENED = 0.09
SHARE_RATED = 0.35
SHARE_GOOD = 0.88
SHARE_DELETED_TICKETS = 0.008
AGENTS = 6

# --- product ---
FEATURES = {"login": 1.0, "dashboards": 0.55, "reports": 0.30, "automation": 0.16, "api": 0.07, "integrations": 0.10}
USER_KINDS = {"daily": (0.24, 0.62), "weekly": (0.46, 0.19), "rare": (0.30, 0.04)}  # share, chance per working day
WEEKEND = 0.08  # of a working day's activity
SEASON = {8: 0.82, 12: 0.78}  # month -> factor
SHARE_LATE_ROWS = 0.004  # usage that arrives days after its day
LATE_DAYS = (2, 5)
SHARE_BOTS = 0.02
USER_LEAVES_PER_YEAR = 0.12

# --- interactions between vendor and customer ---
ACTIVITY_KINDS = {"call": 0.35, "email": 0.45, "meeting": 0.20}
SHARE_INCOMING = 0.3
SHARE_NOTED = 0.12
REVIEW_MONTHS = {"key_account": 3, "standard": 6, "small": 0}
REVIEW_FALLS, REVIEW_FALLS_AILING = 0.12, 0.45  # business reviews that do not take place
INVOICES_BEFORE_DAYS = 400  # before the history, so that each contract in force has its last invoice
PAYMENT_DAYS = 30
SHARE_VOIDED = 0.01
PAYS_LATE, PAYS_LATE_AILING = 0.15, 0.45
NEVER_PAYS, NEVER_PAYS_LEAVING = 0.05, 0.4  # of late invoices
LATE_BY_DAYS, EARLY_BY_DAYS = (3, 55), (-20, 0)
SHARE_ANSWERS, SHARE_CSAT = 0.35, 0.15
BAD_SCORE, BAD_SCORE_AILING = 0.18, 0.55
BAD_SCORES, GOOD_SCORES = (0, 6), (7, 10)
BAD_COMMENTS = ("Too slow for us", "Support takes days", "We use half of it", "Il manque des exports", "値段が高い")
GOOD_COMMENTS = ("Does what it should", "Great help at go-live", "Sehr zufrieden", "👍")
MILESTONES = (("Kick-off", 14), ("First value", 45), ("Go-live", 90))
SLIPS, SLIPS_AILING, SLIPS_BY_DAYS = 0.25, 0.55, (5, 70)
OBJECTIVES = (("Fewer late shipments", "-20 %"), ("Faster month-end", "3 days"), ("One source of numbers", "2 teams"))
OBJECTIVE_MISSED, OBJECTIVE_MISSED_AILING = 0.35, 0.55

# --- growth: where customers and prospects come from, as HubSpot names it, and what the channels cost a month ---
REFERRALS = "OTHER_CAMPAIGNS"
CHANNELS = {
    "PAID_SEARCH": 0.34, "ORGANIC_SEARCH": 0.28, "EMAIL_MARKETING": 0.14, REFERRALS: 0.14, "PAID_SOCIAL": 0.10,
}  # fmt: skip
CHANNELS_OF_PROSPECTS = {"OFFLINE": 0.7, "PAID_SOCIAL": 0.2, "PAID_SEARCH": 0.1}  # events never convert
CAMPAIGNS = {"PAID_SEARCH": "Brand search", "OFFLINE": "Trade fairs"}
CHANNEL_COSTS = {
    "paid_search": ("media", 4200), "paid_social": ("media", 2600), "email_marketing": ("salaries", 1500),
    "offline": ("event", 3800),
}  # fmt: skip
SHARE_STAGE_SKIPPED = 0.08
SHARE_TOUCHED_AGAIN = 0.3

# --- identity: how Zendesk organisations and product accounts refer to their customer, if not by the CRM's id ---
UNNAMED = {  # of organisations and product accounts each; the rest carry the CRM's id
    "domain": 0.10,  # only its own domain
    "mail_provider": 0.02,  # only a mail provider's domain, such as gmail.com
    "name": 0.02,  # no domain either, and the name is spelled differently
    "stale_id": 0.01,  # an id that the CRM does not know
}  # fmt: skip
SHARE_PARENT_DOMAIN = 0.7  # of subsidiaries use their parent's domain, in the CRM as well
SHARE_PARENT_DOMAIN_OUTSIDE = 0.5  # of the other subsidiaries do so in Zendesk or the product only
SHARE_COMPANY_AT_MAIL_PROVIDER = 0.02  # of companies have a mail provider's domain in the CRM
SHARE_SECOND_ADDRESS = 0.05  # of contacts have one, and use it in Zendesk
MAIL_PROVIDERS = ("gmail.com", "outlook.com", "gmx.de", "yahoo.com", "qq.com")

# --- dirt: number of rows of each kind, all within the history ---
DIRT = {
    "no_amount": 2, "end_before_start": 2, "no_end_date": 1, "contact_without_company": 4,
    "thousands_separator": 2, "unknown_workspace_rows": 5, "bad_email": 3,
}  # fmt: skip
