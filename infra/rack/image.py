"""The one image that every server of every rack boots: Debian with systemd, sshd and Python, from the machine's own
apt sources. Built once for its content hash, kept as an archive in the cache, imported into podman's store.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from capacity.faults import StepFailed
from capacity.progress import Progress
from infra.paths import cache_dir
from infra.rack.machine import podman, run
from infra.rack.sources import Source, codename, kept_settings, machine_sources
from infra.toolchain.store import locked

REPOSITORY_NAME = "localhost/oss-rack-server"
ROOTFS = Path(__file__).parent / "node" / "rootfs"
INIT = "/usr/local/sbin/rack-init"
BUILD_TIMEOUT = 1200.0

# What an installed server has before any playbook ran.
BASE_PACKAGES = (
    "systemd",
    "systemd-sysv",
    "libpam-systemd",
    "dbus",
    "openssh-server",
    "python3",
    "python3-apt",
    "sudo",
    "ca-certificates",
    "iproute2",
    "iputils-ping",
    "netbase",
    "procps",
    "kmod",
    "nftables",
    "curl",
    "cron",
    "logrotate",
)
# What the playbooks' packages stand on, and the largest of them: unpacking these on every new rack would take longer
# than everything else that the playbooks do. Whatever a role configures while it is installed (PostgreSQL's first
# cluster, HAProxy, keepalived) it installs itself.
UNPACKED_BEFORE = (
    "containerd",
    "runc",
    "containernetworking-plugins",
    "libllvm14",
    "libpq5",
    "postgresql-client-15",
    "postgresql-common",
    "ssl-cert",
    "libsnmp40",
    "libglib2.0-0",
    "libopentracing-c-wrapper0",
    "liblua5.3-0",
)
# Units of those, which the playbooks enable where they are wanted.
OFF_UNITS = ("containerd.service",)
# Units that only make sense where the server is a real machine, or that would work behind the playbooks' back.
MASKED_UNITS = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "proc-sys-fs-binfmt_misc.automount",
    "systemd-udevd.service",
    "systemd-udevd-control.socket",
    "systemd-udevd-kernel.socket",
    "dev-hugepages.mount",
    "sys-fs-fuse-connections.mount",
)


def image_tag() -> str:
    """The name and hash of the image for this code and this machine's sources."""
    return f"{REPOSITORY_NAME}:{_digest(machine_sources(), kept_settings())}"


def ensure_image(apt_proxy: str, progress: Progress) -> str:
    """See that podman has the image; returns its tag. The first build takes about a minute.

    `apt_proxy` is the rack's apt cache, as the machine reaches it. Raises StepFailed when the build fails.
    """
    tag = image_tag()
    if _present(tag):
        return tag
    archive = cache_dir() / "rack" / f"server-{tag.rsplit(':', 1)[1]}.tar"
    archive.parent.mkdir(parents=True, exist_ok=True)
    with locked(archive.parent / "image.lock", "the server image is being built by another process", progress):
        if not archive.exists():
            for stale in archive.parent.glob("*.part.tar"):  # left by a killed builder: we hold its lock
                stale.unlink()
            progress.update("building the server image from the machine's apt sources (about a minute)")
            _build(archive, apt_proxy)
        if not _present(tag):
            progress.update("importing the server image")
            changes = (f'CMD ["{INIT}"]', "STOPSIGNAL SIGRTMIN+3", "ENV container=podman")
            words = [word for change in changes for word in ("--change", change)]
            podman("import", "--quiet", *words, archive, tag, timeout=300, doing="importing the server image")
            progress.note(f"server image {tag}")
    return tag


def _present(tag: str) -> bool:
    return podman("image", "exists", tag, check=False).returncode == 0


def _digest(sources: tuple[Source, ...], settings: str) -> str:
    total = hashlib.sha256()
    for word in (*_recipe(settings, "OVERLAY"), codename(), settings, *(s.stanza() for s in sources)):
        total.update(f"{word}\n".encode())
    for path in sorted(p for p in ROOTFS.rglob("*") if p.is_file()):
        mode = 0o111 if path.stat().st_mode & 0o100 else 0  # whatever the umask of the checkout was
        total.update(f"{path.relative_to(ROOTFS)}\0{mode:o}\0".encode() + path.read_bytes())
    return total.hexdigest()[:12]


def _build(archive: Path, apt_proxy: str) -> None:
    sources, settings = machine_sources(), kept_settings()
    part = archive.with_suffix(".part.tar")
    with tempfile.TemporaryDirectory(prefix="rack-image-") as folder:
        overlay = Path(folder, "overlay")
        shutil.copytree(ROOTFS, overlay)
        write(overlay / "etc/apt/sources.list.d/rack.sources", "\n".join(s.stanza() for s in sources))
        write(overlay / "etc/apt/apt.conf.d/61rack-machine", settings)
        for path in (overlay, *overlay.rglob("*")):
            shutil.chown(path, "root", "root")
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)  # whatever the umask was
        mirror = Path(folder, "build.sources")
        write(mirror, "\n".join(s.stanza() for s in sources))
        try:
            run(
                "mmdebstrap",
                *_recipe(settings, str(overlay)),
                f'--aptopt=Acquire::http::Proxy "{apt_proxy}"',
                codename(),
                part,
                mirror,
                timeout=BUILD_TIMEOUT,
                doing="building the server image",
            )
        except StepFailed as failure:
            part.unlink(missing_ok=True)
            raise StepFailed(
                failure.message, "check that `apt-get update` works on this machine, then run it again"
            ) from None
        part.rename(archive)


def _recipe(settings: str, overlay: str) -> list[str]:
    """The builder's options, all but those that differ from one build to the next."""
    hooks = [
        # The build's own settings (its proxy, its sources) are no use to a server.
        'rm -f "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/* "$1"/etc/ssh/ssh_host_*',
        'rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap',
        f"sync-in {overlay} /",
        'chroot "$1" systemctl mask ' + " ".join(MASKED_UNITS),
        'chroot "$1" systemctl disable ' + " ".join(OFF_UNITS),
        'truncate --size=0 "$1"/etc/machine-id',
    ]
    return [
        "--variant=minbase",
        # Package lists stay, as of the build: the first install needs no update, and a playbook's cache_valid_time
        # sees their true age.
        "--skip=cleanup/apt/lists",
        f"--include={','.join([*BASE_PACKAGES, *UNPACKED_BEFORE])}",
        '--aptopt=APT::Install-Recommends "false"',
        *[f"--aptopt={line}" for line in settings.splitlines()],
        *[f"--dpkgopt={line}" for line in _dpkg_options()],
        *[f"--customize-hook={hook}" for hook in hooks],
    ]


def _dpkg_options() -> list[str]:
    text = (ROOTFS / "etc/dpkg/dpkg.cfg.d/rack").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def write(path: Path, text: str) -> None:
    """Write a file of the image, with the folders it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
