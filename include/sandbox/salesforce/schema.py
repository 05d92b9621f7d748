"""The org's objects and fields, and the world's field behind each field."""

from __future__ import annotations

from dataclasses import dataclass, field

# The world's word -> this org's word.
LIFECYCLES = {"lead": "Prospect", "opportunity": "Prospect", "customer": "Customer", "other": "Former Customer"}
OPPORTUNITY_TYPES = {"new": "New Business", "renewal": "Renewal", "expansion": "Existing Business"}
RECORD_TYPES = {"default": "New_Business", "75122310": "Renewals"}
STAGES = {
    "appointmentscheduled": "Prospecting", "qualifiedtobuy": "Qualification", "contractsent": "Negotiation/Review",
    "closedwon": "Closed Won", "closedlost": "Closed Lost", "147001": "Prospecting", "147002": "Qualification",
    "147003": "Negotiation/Review", "147004": "Closed Won", "147005": "Closed Lost",
}  # fmt: skip
ROLES = {
    "DECISION_MAKER": "Decision Maker", "BUDGET_HOLDER": "Economic Buyer", "CHAMPION": "Influencer",
    "END_USER": "Business User", "EXECUTIVE_SPONSOR": "Executive Sponsor", "LEGAL_AND_COMPLIANCE": "Evaluator",
    "BLOCKER": "Evaluator",
}  # fmt: skip
# Object -> the object with its field history.
HISTORIES = {
    "Account": ("AccountHistory", "017"),
    "Contact": ("ContactHistory", "03j"),
    "Opportunity": ("OpportunityFieldHistory", "0XO"),
}


@dataclass(frozen=True)
class Field:
    """One field of an object.

    Args:
        name: Its API name.
        type: Its type in describe calls.
        source: The world's field; "" if ``rows`` derives it or it is only written through the API.
        to: For a reference, the target object.
        relation: For a reference, the relationship name in queries.
        words: The world's word -> this org's word.
        unique: Whether it is a unique external id.
        read_only: Whether the system sets it.
        calculated: Whether it is a formula.
        length: Maximum length of a text; 0 if it does not apply.
    """

    name: str
    type: str = "string"
    source: str = ""
    to: str = ""
    relation: str = ""
    words: dict[str, str] = field(default_factory=dict)
    unique: bool = False
    read_only: bool = False
    calculated: bool = False
    length: int = 255


@dataclass(frozen=True)
class SObject:
    """One object.

    Args:
        name: Its API name.
        prefix: The key prefix of its ids.
        kind: The world's kind; "" if ``rows`` derives its records.
        fields: By name.
        writable: Whether the API can create records.
    """

    name: str
    prefix: str
    kind: str
    fields: dict[str, Field]
    writable: bool = False


def reference(name: str, to: str, source: str, read_only: bool = False) -> Field:
    return Field(name, "reference", source, to, name.removesuffix("Id"), read_only=read_only)


def _object(name: str, prefix: str, kind: str, *fields: Field, deletes: bool = True, writable: bool = False) -> SObject:
    common = [
        Field("Id", "id", read_only=True),
        Field("CreatedDate", "datetime", read_only=True),
        Field("LastModifiedDate", "datetime", read_only=True),
        Field("SystemModstamp", "datetime", read_only=True),
    ]
    if deletes:
        common.append(Field("IsDeleted", "boolean", read_only=True))
    return SObject(name, prefix, kind, {each.name: each for each in (*common, *fields)}, writable)


# Custom objects of this org.
_OWN = (
    ("Invoice__c", "a00", "invoice", (
        Field("Contract_Number__c", source="contract_number"), Field("Amount__c", "currency", "amount"),
        Field("Balance__c", "currency", "balance"), Field("CurrencyIsoCode", "picklist", "currency"),
        Field("Issued_On__c", "date", "issued"), Field("Due_On__c", "date", "due"), Field("Paid_On__c", "date", "paid"),
        Field("Status__c", "picklist", "status", words={"open": "Open", "paid": "Paid", "voided": "Voided"}))),
    ("Survey_Response__c", "a01", "feedback", (
        Field("Contact__c", "reference", "contact", "Contact", "Contact__r"), Field("Survey__c", source="survey"),
        Field("Kind__c", "picklist", "kind"), Field("Score__c", "double", "score"),
        Field("Comment__c", "textarea", "comment"), Field("Answered_At__c", "datetime", "answered_at"))),
    ("Milestone__c", "a02", "milestone", (
        Field("Kind__c", "picklist", "kind"), Field("Due_On__c", "date", "due"), Field("Done_On__c", "date", "done"),
        Field("Status__c", "picklist", "status"), reference("OwnerId", "User", "owner"))),
    ("Objective__c", "a03", "objective", (
        Field("Target__c", source="target"), Field("Status__c", "picklist", "status"),
        Field("Due_On__c", "date", "due"), Field("Done_On__c", "date", "done"), reference("OwnerId", "User", "owner"))),
)  # fmt: skip

_OBJECTS = (
    _object(
        "Account", "001", "company",
        Field("Name", source="name"),
        reference("MasterRecordId", "Account", "", read_only=True),
        Field("Website", "url", "domain"),
        Field("Industry", "picklist", "industry"),
        Field("BillingCountry", source="country"),
        Field("Type", "picklist", "lifecycle", words=LIFECYCLES),
        Field("Customer_Tier__c", "picklist", "tier"),
        Field("Is_Test_Account__c", "boolean", "is_test"),
        Field("NumberOfEmployees", "int", "employees"),
        Field("Description", "textarea", "description", length=32_000),
        # The org's administrator created these for values that Perennial writes.
        Field("Perennial_Risk__c", source="perennial_risk"),
        Field("Perennial_Open_Risks__c", source="perennial_open_risks", length=255),
        Field("Perennial_Next_Decision__c", "date", "perennial_next_decision"),
        Field("Perennial_ARR__c", "currency", "perennial_arr"),
        reference("ParentId", "Account", "parent"),
        reference("OwnerId", "User", "owner"),
        writable=True,
    ),
    _object(
        "Contact", "003", "contact",
        reference("MasterRecordId", "Contact", "", read_only=True),
        reference("AccountId", "Account", "company"),
        Field("Email", "email", "email", length=80),
        Field("FirstName", source="first_name", length=40),
        Field("LastName", source="last_name", length=80),
        Field("Name", read_only=True),
        Field("Title", source="job_title", length=128),
        Field("LastActivityDate", "date", "last_contacted", read_only=True),
        reference("OwnerId", "User", "owner"),
        writable=True,
    ),
    _object(
        "User", "005", "owner",
        Field("Username", source="email"),
        Field("Email", "email", "email"),
        Field("FirstName", source="first_name"),
        Field("LastName", source="last_name"),
        Field("Name", read_only=True),
        Field("IsActive", "boolean", read_only=True),
        Field("UserType", "picklist", read_only=True),
        reference("UserRoleId", "UserRole", ""),
        deletes=False,
    ),
    _object("UserRole", "00E", "", Field("Name"), Field("DeveloperName"), deletes=False),
    _object("RecordType", "012", "", Field("Name"), Field("DeveloperName"), Field("SobjectType"), deletes=False),
    _object("Product2", "01t", "", Field("Name"), Field("IsActive", "boolean")),
    _object(
        "Opportunity", "006", "deal",
        reference("AccountId", "Account", "company"),
        reference("RecordTypeId", "RecordType", ""),
        Field("Name", source="name", length=120),
        Field("StageName", "picklist", "stage", words=STAGES),
        Field("IsClosed", "boolean", "is_closed", read_only=True),
        Field("IsWon", "boolean", "is_won", read_only=True),
        Field("Type", "picklist", "kind", words=OPPORTUNITY_TYPES),
        Field("Contract_Number__c", source="contract_number"),
        Field("Amount", "currency", "amount"),
        Field("CurrencyIsoCode", "picklist", "currency"),
        Field("CloseDate", "date", "close_date"),
        Field("Notice_Period_Months__c", "double", "notice_months"),
        Field("Auto_Renew__c", "boolean", "auto_renew"),
        Field("Notice_Given_On__c", "date", "notice_given_on"),
        Field("Loss_Reason__c", source="lost_reason"),
        reference("ContractId", "Contract", "contract"),
        Field("SBQQ__Renewal__c", "boolean", "is_cpq_renewal"),
        Field("SBQQ__RenewedContract__c", "reference", "renewed_contract", "Contract", "SBQQ__RenewedContract__r"),
        reference("OwnerId", "User", "owner"),
        writable=True,
    ),
    # No customer has one at first.
    _object(
        "Contract", "800", "contract",
        reference("AccountId", "Account", "company"),
        Field("ContractNumber", source="number", read_only=True, length=30),
        Field("Status", "picklist", "status"),
        Field("StartDate", "date", "term_start"),
        Field("EndDate", "date", "term_last_day", read_only=True),
        Field("ContractTerm", "int", "months"),
        Field("SBQQ__Opportunity__c", "reference", "deal", "Opportunity", "SBQQ__Opportunity__r"),
    ),
    _object(
        "SBQQ__Subscription__c", "a0G", "cpq_subscription",
        Field("SBQQ__Account__c", "reference", "company", "Account", "SBQQ__Account__r"),
        Field("SBQQ__Contract__c", "reference", "contract", "Contract", "SBQQ__Contract__r"),
        Field("SBQQ__ProductName__c", source="product", calculated=True),
        Field("SBQQ__Quantity__c", "double", "quantity"),
        Field("SBQQ__CustomerPrice__c", "currency", "unit_price"),
        Field("SBQQ__PricingMethod__c", "picklist", "pricing_method"),
        Field("SBQQ__SubscriptionStartDate__c", "date", "term_start"),
        Field("SBQQ__SubscriptionEndDate__c", "date", "term_last_day"),
        # Those of the contract, if the subscription has none.
        Field("SBQQ__StartDate__c", "date", read_only=True, calculated=True),
        Field("SBQQ__EndDate__c", "date", read_only=True, calculated=True),
        Field("SBQQ__SubscriptionType__c", "picklist", "subscription_type"),
        Field("SBQQ__SegmentStartDate__c", "date", "segment_start"),
        Field("SBQQ__SegmentEndDate__c", "date", "segment_last_day"),
        Field("SBQQ__SegmentIndex__c", "double", "segment_index"),
        Field("SBQQ__SegmentKey__c", source="segment_key"),
        Field("SBQQ__RevisedSubscription__c", "reference", "revised", "SBQQ__Subscription__c",
              "SBQQ__RevisedSubscription__r"),
        Field("SBQQ__RootId__c", source="root", length=18),
    ),
    _object(
        "OpportunityLineItem", "00k", "line_item",
        reference("OpportunityId", "Opportunity", "deal"),
        reference("Product2Id", "Product2", ""),
        Field("Name", source="product", read_only=True),
        Field("Quantity", "double", "quantity"),
        Field("TotalPrice", "currency", "amount"),
        Field("List_Amount__c", "currency", "list_amount"),
        Field("CurrencyIsoCode", "picklist", "currency", read_only=True),
        Field("Billing_Frequency__c", "picklist", "frequency"),
        Field("Term_Start__c", "date", "term_start"),
        Field("Term_End__c", "date", "term_last_day"),
    ),
    _object(
        "AccountContactRelation", "07k", "",
        reference("AccountId", "Account", "company"),
        reference("ContactId", "Contact", "contact"),
        Field("Roles", "multipicklist"),
        Field("IsDirect", "boolean"),
        Field("IsActive", "boolean"),
    ),
    _object(
        "OpportunityContactRole", "00K", "",
        reference("OpportunityId", "Opportunity", "deal"),
        reference("ContactId", "Contact", "contact"),
        Field("Role", "picklist"),
        Field("IsPrimary", "boolean"),
    ),
    _object("OpportunityStage", "01J", "", Field("ApiName"), Field("MasterLabel"), Field("IsClosed", "boolean"),
            Field("IsWon", "boolean"), Field("IsActive", "boolean"), deletes=False),
    *(
        _object(
            name, prefix, "",
            reference(f"{parent}Id", parent, "parent"),
            Field("Field", "picklist"),
            Field("OldValue", "anyType"),
            Field("NewValue", "anyType"),
        )
        for parent, (name, prefix) in HISTORIES.items()
    ),
    _object(
        "Task", "00T", "sf_task",
        Field("Subject", "combobox", "Subject"),
        Field("Description", "textarea", "Description", length=32_000),
        Field("ActivityDate", "date", "ActivityDate"),
        Field("Status", "picklist", "Status"),
        Field("Priority", "picklist", "Priority"),
        Field("IsClosed", "boolean", read_only=True),
        Field("Perennial_Key__c", source="Perennial_Key__c", unique=True),
        Field("Perennial_Outcome__c", source="Perennial_Outcome__c"),
        reference("WhatId", "Account", "WhatId"),
        reference("WhoId", "Contact", "WhoId"),
        reference("OwnerId", "User", "OwnerId"),
        Field("TaskSubtype", "picklist", read_only=True),
        Field("CallType", "picklist", read_only=True),
        reference("AccountId", "Account", "", read_only=True),
        writable=True,
    ),
    _object(
        "Event", "00U", "meeting",
        Field("Subject", "combobox", "title"),
        reference("AccountId", "Account", "company"),
        reference("WhatId", "Account", "company"),
        reference("WhoId", "Contact", "contact"),
        reference("OwnerId", "User", "owner"),
        Field("StartDateTime", "datetime", "happened_at"),
        Field("EndDateTime", "datetime", read_only=True),
        Field("DurationInMinutes", "int", read_only=True),
    ),
    *(
        _object(
            name, prefix, kind,
            Field("Name", source="number" if kind == "invoice" else "name"),
            Field("Account__c", "reference", "company", "Account", "Account__r"),
            *fields,
        )
        for name, prefix, kind, fields in _OWN
    ),
)  # fmt: skip

SOBJECTS: dict[str, SObject] = {each.name: each for each in _OBJECTS}
OF_KIND: dict[str, SObject] = {each.kind: each for each in _OBJECTS if each.kind}


def find(name: str) -> SObject | None:
    """Return an object by its name, ignoring case."""
    return next((each for each in _OBJECTS if each.name.lower() == name.lower()), None)
