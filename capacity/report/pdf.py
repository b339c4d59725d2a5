"""The report as a tagged PDF with outline, from the same page. Needs Debian's Pango libraries."""

from __future__ import annotations

import contextlib
import gc
import logging
import signal
import warnings

from capacity.faults import MachineLacks

PACKAGES = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core"


def begin() -> None:
    """Start of a process that makes one PDF and ends."""
    # Ctrl-C is the parent's to answer: it ends this process, and no second traceback is shown.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()  # a page's boxes live until it is written: looking for dead ones costs a sixth of the time


def warm() -> None:
    """Load what `to_pdf` needs, so that its first page comes sooner; a lack shows when it is called."""
    with contextlib.suppress(OSError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import weasyprint  # noqa: F401


def _has_fonts() -> bool:
    """Whether fontconfig knows any font; without one Pango ends the whole process."""
    from weasyprint.text.ffi import fontconfig

    known = fontconfig.FcInitLoadConfigAndFonts()
    try:
        return bool(fontconfig.FcConfigGetFonts(known, fontconfig.FcSetSystem).nfont)
    finally:
        fontconfig.FcConfigDestroy(known)


def to_pdf(html: str) -> bytes:
    """The page as PDF/UA-1. Raises MachineLacks naming the packages when the shared libraries are missing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # fonts are looked for below
            from weasyprint import HTML  # here, since it loads shared libraries that a machine may lack
    except OSError as error:
        message = f"PDF needs shared libraries that this machine lacks ({str(error).splitlines()[0]})"
        raise MachineLacks(message, f"apt-get install {PACKAGES}") from None
    if not _has_fonts():
        raise MachineLacks("PDF needs a font, and this machine has none", f"apt-get install {PACKAGES}")
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    logging.getLogger("weasyprint").setLevel(logging.ERROR)

    def refuse(url: str, *_: object, **__: object) -> dict[str, object]:
        raise ValueError(f"the report loads nothing from outside, yet asks for {url}")

    document = HTML(string=html, url_fetcher=refuse).write_pdf(pdf_variant="pdf/ua-1", pdf_tags=True)
    return bytes(document or b"")
