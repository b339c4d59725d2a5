"""The report as a tagged PDF with outline, from the same page. Needs Debian's Pango libraries."""

from __future__ import annotations

import logging

from capacity.faults import MachineLacks

PACKAGES = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core"


def to_pdf(html: str) -> bytes:
    """The page as PDF/UA-1. Raises MachineLacks naming the packages when the shared libraries are missing."""
    try:
        from weasyprint import HTML  # here, since it loads shared libraries that a machine may lack
    except OSError as error:
        message = f"PDF needs shared libraries that this machine lacks ({str(error).splitlines()[0]})"
        raise MachineLacks(message, f"apt-get install {PACKAGES}") from None
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    logging.getLogger("weasyprint").setLevel(logging.ERROR)

    def refuse(url: str, *_: object, **__: object) -> dict[str, object]:
        raise ValueError(f"the report loads nothing from outside, yet asks for {url}")

    document = HTML(string=html, url_fetcher=refuse).write_pdf(pdf_variant="pdf/ua-1", pdf_tags=True)
    return bytes(document or b"")
