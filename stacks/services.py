"""`<env>.services`: the permit service's parts in every cluster, sized by the lease plan."""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
from urllib.parse import quote

import pulumi
import pulumi_kubernetes as kubernetes

from capacity.faults import BadInput, Fault
from capacity.leaseplan import Deployment, ServicePlan
from infra.cluster import clusters
from infra.components.load_generator import (
    CALLBACK_FILE,
    NAMESPACE,
    PASSWORD_FILE,
    SIZES,
    WEB_PORT,
    LoadGenerator,
    LoadGeneratorArgs,
    PodSize,
)
from infra.components.permit_service import CA_FILE, SECRETS_FOLDER, PermitService, ServiceArgs
from infra.components.topology import CONTAINER_PORT, DATABASE_NAME, DATABASE_PORT, DATABASE_USER, PARTS
from infra.outputs import FleetOutputs
from infra.pki.fleet import services_ca
from infra.settings import LoadTestSetting, ServicesSettings
from stacks import config
from stacks.standing import Standing, kubeconfig, standing

LEAST_POOL, LARGEST_POOL = 2, 8
"""Database connections of one process: fewer starve it, more only queue in the database."""


async def program(environment: str) -> None:
    """Declare every service of the phase in the cluster of its site."""
    settings = config.read(ServicesSettings)
    _check(environment, settings)
    now = await standing(environment, settings)
    access = kubeconfig(environment, settings.kubeconfig)
    pool = pool_size(now.deployment, settings.database_connections)
    found = clusters(now.outputs)
    for cluster in found:
        plans = [service for service in now.deployment.services if service.site == cluster.name]
        if not plans:
            continue
        provider = kubernetes.Provider(f"{cluster.name}-cluster", kubeconfig=access, context=cluster.name)
        for plan in plans:
            args = service_args(environment, settings, now, plan, pool)
            own = pulumi.ResourceOptions(providers=[provider])
            PermitService(f"{cluster.name}-{plan.id}", args, own)
        pulumi.export(cluster.name, {"services": [plan.id for plan in plans]})
        if settings.load_test is not None and cluster is found[0]:
            generator = generator_args(environment, settings, settings.load_test, now)
            LoadGenerator(f"{cluster.name}-loadtest", generator, pulumi.ResourceOptions(providers=[provider]))
            web = f"kubectl -n {NAMESPACE} port-forward deployment/master {WEB_PORT}:{WEB_PORT}"
            pulumi.export("load_test", {"host": generator.host, "web_page": web})
    pulumi.export("phase", settings.phase)
    pulumi.export("plan_hash", now.outputs.plan_hash)
    pulumi.export("image", settings.image)
    pulumi.export("endpoints", now.outputs.endpoints.model_dump(mode="json"))


def service_args(
    environment: str, settings: ServicesSettings, now: Standing, plan: ServicePlan, pool: int
) -> ServiceArgs:
    """The part's variables and secret files (`loadtests/target/settings.py` is the contract)."""
    part = PARTS[plan.id]
    rack = settings.scale == "rack"
    here = {service.id for service in now.deployment.services if service.site == plan.site}
    variables: dict[str, str] = {}
    secrets: dict[str, pulumi.Input[str]] = {}
    if part.database:
        secrets["oss-secret"] = now.secret(now.outputs.secrets.service_secret)
        password = now.secret(now.outputs.secrets.database_password)
        secrets["database-url"] = password.apply(lambda known: database_url(now.outputs, known))
        variables |= {
            "OSS_SECRET_FILE": f"{SECRETS_FOLDER}/oss-secret",
            "DATABASE_URL_FILE": f"{SECRETS_FOLDER}/database-url",
            "DATABASE_POOL": str(pool),
            "OSS_SEED": "1" if (rack if settings.seed is None else settings.seed) else "0",
        }
        if (ca := services_ca(environment)).exists():
            secrets[CA_FILE] = ca.read_text(encoding="ascii")
            variables["DATABASE_CA_FILE"] = f"{SECRETS_FOLDER}/{CA_FILE}"
    for called in part.calls:
        inside = f"http://{called}:{CONTAINER_PORT}" if called in here else settings.registry_url
        variables[f"{called.upper()}_URL"] = inside
    if plan.id == "registry":
        variables |= registry_variables(now.deployment)
    return ServiceArgs(
        plan=plan,
        image=settings.image,
        pull=settings.pull or ("Never" if rack else "IfNotPresent"),
        variables=variables,
        secrets=secrets,
        hosts={called: str(PARTS[called].cluster_ip) for called in part.calls if called in here},
    )


def generator_args(
    environment: str, settings: ServicesSettings, wanted: LoadTestSetting, now: Standing
) -> LoadGeneratorArgs:
    """The load generator's image, plan and target. It gets what it signs in with, and not the services' secret."""
    secret = now.secret(now.outputs.secrets.service_secret)
    secrets: dict[str, pulumi.Input[str]] = {
        PASSWORD_FILE: secret.apply(lambda known: derived(known, "test accounts")),
        CALLBACK_FILE: secret.apply(lambda known: derived(known, "callbacks")),
    }
    if (ca := services_ca(environment)).exists():
        secrets[CA_FILE] = ca.read_text(encoding="ascii")
    rack = settings.scale == "rack"
    sizes = SIZES[settings.scale]
    worker = PodSize(
        wanted.cpu_millicores or sizes["worker"].cpu_millicores, wanted.memory_mib or sizes["worker"].memory_mib
    )
    edge = now.outputs.with_role("edge")[0].address
    return LoadGeneratorArgs(
        image=settings.load_test_image,
        pull=settings.pull or ("Never" if rack else "IfNotPresent"),
        host=wanted.host or (f"https://{edge}" if rack else now.outputs.endpoints.portal),
        plan=settings.lock_file.read_text(encoding="utf-8"),
        profile=wanted.profile,
        phase=settings.phase,
        scale=wanted.scale or settings.scale,
        seed=wanted.seed,
        workers=wanted.workers,
        master=sizes["master"],
        worker=worker,
        start=wanted.start,
        secrets=secrets,
    )


def derived(secret: str, purpose: str) -> str:
    """What the services derive from their secret for one purpose (`derive` in loadtests/target/settings.py)."""
    block = hmac.digest(secret.encode(), purpose.encode() + b"\x01", hashlib.sha256)
    return base64.urlsafe_b64encode(block).rstrip(b"=").decode()


def database_url(outputs: FleetOutputs, password: str) -> str:
    """The address of the primary database, with the services' own role."""
    address = outputs.databases()[0].address
    return f"postgresql://{DATABASE_USER}:{quote(password, safe='')}@{address}:{DATABASE_PORT}/{DATABASE_NAME}"


def registry_variables(deployment: Deployment) -> dict[str, str]:
    """Latency of the registry's stand-in, and each replica's part of the quota, as the model assumes them of the real
    one."""
    station = next((s for s in deployment.stations if s.id == "registry"), None)
    if station is None:
        return {}
    replicas = next((s.replicas for s in deployment.services if s.id == "registry"), 1)
    quota = {"REGISTRY_QUOTA_PER_DAY": str(int(station.quota_per_day) // replicas)} if station.quota_per_day else {}
    if not station.demand_ms:
        return quota
    # A log-normal law of mean m and squared coefficient of variation v has median m / sqrt(1 + v), sigma^2 = ln(1 + v).
    spread = math.log1p(station.service_scv)
    median = station.demand_ms * math.exp(-spread / 2)
    return {"REGISTRY_LATENCY_MS": f"{median:.6g}", "REGISTRY_LATENCY_SIGMA": f"{math.sqrt(spread):.6g}", **quota}


def pool_size(deployment: Deployment, connections: int) -> int:
    """Connections of each process, so that all processes together stay below what the database grants."""
    processes = sum(s.replicas * s.processes for s in deployment.services if PARTS[s.id].database)
    return max(LEAST_POOL, min(LARGEST_POOL, connections // max(1, processes)))


def _check(environment: str, settings: ServicesSettings) -> None:
    file = f"stacks/Pulumi.{environment}.services.yaml"
    faults = []
    if not settings.image and not pulumi.runtime.is_dry_run():
        remedy = f"Run `oss up {environment}`, which builds the image and sets it."
        faults.append(Fault(file, "oss:image", "", "no image is set", remedy))
    if settings.load_test is not None and not settings.load_test_image and not pulumi.runtime.is_dry_run():
        remedy = f"Run `oss up {environment}` on a rack, or give the image that your registry holds."
        faults.append(Fault(file, "oss:loadTestImage", "", "a load test is set, but no image for it", remedy))
    if settings.scale == "national" and not settings.registry_url:
        remedy = "Give the address of the population registry's service."
        faults.append(Fault(file, "oss:registryUrl", "", "the population registry's address is not set", remedy))
    if faults:
        raise BadInput(faults)
