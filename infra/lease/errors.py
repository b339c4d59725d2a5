"""What can go wrong with a leased server. Every error names the server and carries a remedy."""

from __future__ import annotations

from capacity.faults import StepFailed


class LeaseError(StepFailed):
    """Base of the provider's errors; `retryable` says whether the same request may succeed a little later."""

    retryable = False

    def __init__(self, server: str, problem: str, remedy: str) -> None:
        super().__init__(f"{server}: {problem}", remedy)
        self.server = server
        self.problem = problem


class BmcUnreachable(LeaseError):
    """No answer: refused, dropped, or too late."""

    retryable = True

    def __init__(self, server: str, url: str, problem: str) -> None:
        super().__init__(
            server,
            f"its BMC at {url} {problem}",
            "Check the out-of-band network and the BMC's power; then run it again.",
        )


class BmcFailing(LeaseError):
    """The BMC answers with a server error (5xx) or asks to come back later."""

    retryable = True

    def __init__(self, server: str, url: str, status: int) -> None:
        super().__init__(
            server, f"its BMC at {url} answers {status}", "Restart the BMC (not the server); then run it again."
        )


class BmcNonsense(LeaseError):
    """The answer is no Redfish: not JSON, or without what the standard requires."""

    retryable = True

    def __init__(self, server: str, url: str, problem: str) -> None:
        super().__init__(
            server,
            f"its BMC at {url} answers with {problem}",
            "Update or restart the BMC's firmware; then run it again.",
        )


class BmcRefused(LeaseError):
    """Wrong credentials, or rights that do not suffice. Never retried: controllers lock accounts."""

    def __init__(self, server: str, url: str, status: int) -> None:
        super().__init__(
            server,
            f"its BMC at {url} refuses the credentials ({status})",
            "Set the right ones: `pulumi config set --secret bmcUsername …` and bmcPassword, on the fleet stack.",
        )


class BmcUntrusted(LeaseError):
    """The certificate does not verify. Nothing is sent to a controller that cannot prove who it is."""

    def __init__(self, server: str, url: str, problem: str) -> None:
        super().__init__(
            server,
            f"the certificate of its BMC at {url} does not verify ({problem})",
            "Give the authority that signed it as oss:bmcCaFile, or renew the BMC's certificate.",
        )


class BmcRejected(LeaseError):
    """The BMC understood the request and said no."""

    def __init__(self, server: str, url: str, status: int, words: str) -> None:
        super().__init__(
            server,
            f"its BMC rejects {url} ({status}: {words})",
            "Look at the BMC's event log; the request was not repeated.",
        )


class NoSuchSystem(LeaseError):
    """The BMC answers, but has no such system."""

    def __init__(self, server: str, url: str) -> None:
        super().__init__(
            server,
            f"there is no system at {url}",
            "Correct the server's BMC address and system id, or rack the server.",
        )


class NotAccepted(LeaseError):
    """The hardware is less than the contract promises. The message names every shortfall."""

    def __init__(self, server: str, sku: str, shortfalls: tuple[str, ...]) -> None:
        listing = "; ".join(shortfalls)
        super().__init__(
            server,
            f"not accepted, it falls short of {sku}: {listing}",
            "Have the vendor mend or replace it, or amend the SKU by contract in the launch plan and run `oss plan`.",
        )


class PowerNotProven(LeaseError):
    """The BMC took the command, or claims a power state, but nothing shows that it is true."""

    def __init__(self, server: str, wanted: str, seconds: float, seen: str) -> None:
        super().__init__(
            server,
            f"asked for power {wanted}, and after {seconds:.0f} s {seen}",
            "Look at the server's console and supply; `oss up` continues where it stopped.",
        )


class NotErased(LeaseError):
    """Data may still be on the server's drives, so it is not released."""


class NoMediaDrive(LeaseError):
    """The BMC offers no virtual drive of the kind that is needed."""

    def __init__(self, server: str, kind: str) -> None:
        super().__init__(
            server,
            f"its BMC has no virtual drive for {kind}",
            "License virtual media at the BMC, or set the boot method of the fleet to pxe.",
        )


class ForbiddenTransition(LeaseError):
    """The table of states does not allow the step."""
