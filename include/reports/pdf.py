"""Convert a report's page to PDF with WeasyPrint: the optional extra ``pdf``, which needs Pango."""

from __future__ import annotations

from include.charts import fonts
from include.common.errors import ConfigError

CURE = "pip install 'weasyprint>=70', and Pango: apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"


def why_not() -> str:
    """Return why PDFs cannot be written; "" if they can."""
    try:
        import weasyprint  # noqa: F401
    except (ImportError, OSError) as error:  # OSError: Pango is missing
        return f"reports are HTML only: WeasyPrint cannot be loaded ({type(error).__name__})"
    return ""


def of(html: str) -> bytes:
    """Return a page as PDF, without fetching the resources it references.

    Raises:
        ConfigError: WeasyPrint or Pango is missing.
    """
    if reason := why_not():
        raise ConfigError(reason, cure=CURE)
    if reason := fonts.why_not(html):
        raise ConfigError(reason, cure=fonts.CURE)
    from weasyprint import HTML
    from weasyprint.urls import URLFetcher

    # No protocol is allowed, so neither the network nor local files are read.
    # https://doc.courtbouillon.org/weasyprint/stable/api_reference.html#weasyprint.urls.URLFetcher
    made: bytes = HTML(string=html, url_fetcher=URLFetcher(allowed_protocols=())).write_pdf()
    return made
