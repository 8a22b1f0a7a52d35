"""Prices the three sizes: what Terraform would make (sizes.tf, shipway.yaml), times prices.yaml. `--write` renews the docs."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import yaml

from tools import terraform

ROOT = terraform.INFRA.parent
PAGE = ROOT / "docs" / "aws" / "costs.md"
HOURS = 730
ZONES = 2
AREAS = ("dev", "stage", "prod")


def main() -> None:
    """Prints the page, or writes it."""
    page = render(settings(), yaml.safe_load((terraform.INFRA / "cost" / "prices.yaml").read_text()))
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page)
    else:
        print(page, end="")


def settings() -> dict[str, Any]:
    """`local.sizes` as Terraform has it: size → tier → settings. Raises Failed."""
    folder = terraform.INFRA / "modules" / "description"
    done = subprocess.run(
        [terraform.program(), f"-chdir={folder}", "console", f"-var=file={ROOT / 'shipway.yaml'}"],
        input="jsonencode(local.sizes)\n", capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise terraform.Failed(done.stderr)
    return dict(json.loads(json.loads(done.stdout)))


def month(size: str, sizes: dict[str, Any], file: dict[str, Any], app: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Dollars a month: environment → line → cost."""
    price = {name: value for name, (value, _) in file["prices"].items()}
    use = file["assumptions"]
    bill: dict[str, dict[str, float]] = {}
    for tier in AREAS:
        has, uses = sizes[size][tier], use[size][tier]
        # What dev and stage share stands in dev's bill.
        shares = has["shared_network"] and tier != "dev"
        lines = {} if shares else _network(has, uses, price)
        lines |= _environment(has, uses, price, app, tier, use["office_hours"])
        if shares:
            bill["dev"]["way out"] += uses["nat_gb"] * price["nat_gb"]
        bill[tier] = lines
    bill["once"] = _once(use[size]["app"], use["run"], price)
    return bill


def _network(has: dict[str, Any], uses: dict[str, Any], price: dict[str, float]) -> dict[str, float]:
    ways = {"gateway": ZONES if has["nat_per_zone"] else 1, "instance": 1, "none": 0}[has["nat"]]
    hour = price["nat_instance"] if has["nat"] == "instance" else price["nat_gateway"]
    traffic = uses["nat_gb"] * price["nat_gb"] if has["nat"] == "gateway" else 0
    lines = {
        "way out": ways * (hour + price["public_address"]) * HOURS + traffic,
        "load balancer": (
            price["load_balancer"] + ZONES * price["public_address"] + uses["units"] * price["load_balancer_unit"]
        )
        * HOURS,
    }
    if has["endpoints"]:
        lines["endpoints"] = len(has["endpoints"]) * ZONES * price["endpoint"] * HOURS
    if has["waf_groups"]:
        rules = len(has["waf_groups"]) + 1  # and the rate limit
        lines["WAF"] = price["waf"] + rules * price["waf_rule"] + uses["requests"] * price["waf_million"]
    return lines


def _environment(
    has: dict[str, Any], uses: dict[str, Any], price: dict[str, float], app: dict[str, Any], tier: str, hours: float
) -> dict[str, float]:
    kind = "arm" if has["architecture"] == "ARM64" else "x86"
    task = has["cpu"] / 1024 * price[f"fargate_vcpu_{kind}"] + has["memory"] / 1024 * price[f"fargate_gb_{kind}"]
    tasks = len(app["services"]) * app["environments"][tier]["tasks"]["min"]
    share = (price["fargate_spot"] if has["spot"] else 1) * (hours if has["office_hours"] else 1)
    database = price[has["database_class"]] * HOURS + has["database_storage"] * price["database_gb"]
    # Each side of a service with routes: three metrics for errors and latency; both sides' health; the database's three.
    alarms = sum(2 * 3 + 2 for service in app["services"].values() if service.get("routes")) + 3
    secrets = 2 + len({name for service in app["services"].values() for name in service.get("secrets", ())})
    lines = {
        "tasks": tasks * task * HOURS * share,
        "database": database * (2 if has["multi_az"] else 1),
        "key, secrets, alarms": price["key"] + secrets * price["secret"] + alarms * price["alarm_metric"],
        "logs": uses["logs_gb"] * price["logs_gb"],
    }
    if out := max(0, uses.get("out_gb", 0) - 100):
        lines["traffic out"] = out * price["out_gb"]
    return lines


def _once(uses: dict[str, Any], run: dict[str, Any], price: dict[str, float]) -> dict[str, float]:
    return {
        "pipelines": max(0, uses["runs"] * run["action_minutes"] - 100) * price["pipeline_minute"],
        "builds": max(0, uses["runs"] * run["build_minutes"] - 100) * price["build_minute"],
        "images, buckets": uses["images_gb"] * price["image_gb"] + uses["objects_gb"] * price["object_gb"],
        "keys": 2 * price["key"],
    }


def render(sizes: dict[str, Any], file: dict[str, Any]) -> str:
    """The page `docs/aws/costs.md`."""
    app = yaml.safe_load((ROOT / "shipway.yaml").read_text())
    bills = {size: month(size, sizes, file, app) for size in sizes}
    totals = {size: sum(sum(lines.values()) for lines in bill.values()) for size, bill in bills.items()}
    price = {name: value for name, (value, _) in file["prices"].items()}
    endpoint = {
        size: sum(count * price[kind] * HOURS for kind, count in file["assumptions"]["sagemaker"][size].items())
        for size in sizes
    }
    order = ["minimal", "recommended", "highly-available"]
    text = [_HEAD.format(date=file["date"])]
    text += [
        "| size | dev | stage | prod | once | **a month** | with a SageMaker endpoint |",
        "|---|---|---|---|---|---|---|",
    ]
    for size in order:
        parts = " | ".join(f"{sum(bills[size][area].values()):,.0f}" for area in (*AREAS, "once"))
        text.append(f"| {size} | {parts} | **${totals[size]:,.0f}** | ${totals[size] + endpoint[size]:,.0f} |")
    text.append("\n## What it is made of\n")
    for size in order:
        text.append(f"**{size}**\n")
        for area, lines in bills[size].items():
            what = ", ".join(f"{name} {cost:,.0f}" for name, cost in lines.items())
            text.append(f"- *{area}* {sum(lines.values()):,.0f}: {what}")
        text.append("")
    text.append(_saving(price))
    text.append(_description(file["description"], totals))
    text.append("## Prices\n")
    text += ["| price | dollars | where from |", "|---|---|---|"]
    text += [f"| {name} | {value:g} | {source} |" for name, (value, source) in file["prices"].items()]
    return "\n".join(text) + "\n"


_HEAD = """# What it costs

Made by `make infra-cost` from `infra/cost/prices.yaml` (list prices of {date} in us-east-1 with their sources, and how much
is used), from the three sizes in `infra/modules/description/sizes.tf` and the tasks in `shipway.yaml`. Nobody has seen a
bill yet: there was no account to run it in. Taxes, support and discounts are left out.
"""


def _saving(price: dict[str, float]) -> str:
    gateway = (price["nat_gateway"] + price["public_address"]) * HOURS
    instance = (price["nat_instance"] + price["public_address"]) * HOURS
    looks = 24 * 12 * 1.5 * price["build_minute"]
    six = 6 * ZONES * price["endpoint"] * HOURS
    return f"""## Where the money goes, and how to pay less

- **NAT.** A gateway is ${gateway:,.0f} a month before the first byte. Outside of prod `overrides = {{ nat = "instance" }}` pays ${instance:,.0f}, for one machine that can fail.
- **Interface endpoints.** Six in two zones are ${six:,.0f} a month for each VPC: they pay only where they replace the NAT (`nat = "none"`) or where nothing may leave. S3 has a gateway endpoint in every size, which is free.
- **Spot and ARM** outside of prod: a task for a quarter of the price. Prod runs on demand.
- **Office hours.** In `minimal`, dev and stage run no tasks at night and at weekends.
- **What never sleeps**: load balancers, NATs and databases. `minimal` shares the first two between dev and stage.
- **App bundles.** While one is on its way to the devices of an environment, a look every five minutes is a build of a minute or two: some ${looks:.2f} a day. Otherwise they cost next to nothing: each task writes its counts twice a minute, some 43 cents a month for each task (S3's PUT, known, not looked up). CloudFront (`overrides = {{ bundles_cdn = true }}`) is paid by what devices load; its first terabyte a month is free (known, not looked up).
- **A SageMaker endpoint** is the dearest single thing: opt for it, and for one instance, when the model needs it.
- **Savings plans** pay once prod has run for some months: a year of Compute Savings Plan is some 20 % off Fargate on demand (known, not looked up). Nothing here buys one.
"""


def _description(described: dict[str, Any], totals: dict[str, float]) -> str:
    lines = "\n".join(f"| {name} | {said} | {true} |" for name, said, true in described["lines"])
    return f"""## The estimate in the project's description

It says {described["total"]}. That holds for `minimal` (${totals["minimal"]:,.0f}), where dev and stage share what can be shared. It does not hold for the system as it is drawn there, with its parts in several zones, private endpoints and an endpoint for the model: that is `highly-available` (${totals["highly-available"]:,.0f} and the endpoint). Some of its prices are out of date:

| what | the description | on the date above |
|---|---|---|
{lines}
"""


if __name__ == "__main__":
    try:
        main()
    except terraform.Failed as failed:
        sys.exit(str(failed))
