"""Kinds at the edge: load balancers and their targets, APIs, distributions, names, certificates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import boto3
import pytest

from mac import iam, regions, scraping
from mac.answers import CallError
from mac.collect import collect
from mac.kinds import all_kinds
from mac.kinds.kind import Place
from mac.model import (
    GLOBAL_REGION,
    Account,
    CloudWatch,
    CloudWatchMetric,
    Lifecycle,
    Member,
    Resource,
    ScopeState,
    Snapshot,
)
from mac.snapshot import to_bytes
from tests import aws_fleet as fleet
from tests.recorded import ACCOUNT, PLACE, Call, read

NOW = datetime(2096, 11, 23, 12, tzinfo=UTC)  # long after the embedded AWS launches anything
MADE = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)

SERVED = (
    "acm-certificate",
    "classic-load-balancer",
    "cloudfront-distribution",
    "hosted-zone",
    "http-api",
    "rest-api",
    "route53-health-check",
)
STUBBED = ("cloudfront-certificate",)
# Read for the first time in test_kinds; here with what is registered behind them.
BALANCING = ("ec2-instance", "load-balancer", "target-group")
GLOBAL = ("cloudfront-distribution", "hosted-zone", "route53-health-check")


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with fleet.serve() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def account(moto: str) -> Account:
    made = fleet.new_account()
    build(fleet.session(made))
    return made


def build(aws: boto3.Session) -> None:
    """Three of each, the first of them never tagged."""
    for number in range(3):
        tagged = number > 0
        classic(aws, f"classic{number}", tagged)
        apis(aws, number, tagged)
        distribution(aws, number, tagged)
        certificate(aws, number, tagged)
        health_check(aws, number, tagged)
    for number in range(12):
        zone(aws, number, number > 0)


def classic(aws: boto3.Session, name: str, tagged: bool) -> None:
    elb = aws.client("elb")
    listener = {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 8080}
    elb.create_load_balancer(
        LoadBalancerName=name, Listeners=[listener], AvailabilityZones=["eu-west-1a", "eu-west-1b"]
    )
    if tagged:
        elb.add_tags(LoadBalancerNames=[name], Tags=fleet.PAIRS)


def apis(aws: boto3.Session, number: int, tagged: bool) -> None:
    tags = fleet.TAGS if tagged else {}
    kinds = {"types": ["EDGE"] if number == 2 else ["REGIONAL"]}
    aws.client("apigateway").create_rest_api(name=f"rest{number}", endpointConfiguration=kinds, tags=tags)
    optional = {"RouteSelectionExpression": "$request.body.action"} if number == 2 else {}
    aws.client("apigatewayv2").create_api(
        Name=f"http{number}", ProtocolType="WEBSOCKET" if number == 2 else "HTTP", Tags=tags, **optional
    )


def distribution(aws: boto3.Session, number: int, tagged: bool) -> None:
    header = {"HeaderName": "x-origin-key", "HeaderValue": "hunter2"}
    aws.client("cloudfront").create_distribution_with_tags(
        DistributionConfigWithTags={
            "DistributionConfig": {
                "CallerReference": f"r{number}",
                "Comment": f"site{number}",
                "Enabled": number != 2,
                "Aliases": {"Quantity": 1, "Items": [f"www{number}.example.com"]},
                "Origins": {
                    "Quantity": 1,
                    "Items": [
                        {
                            "Id": "o",
                            "DomainName": f"origin{number}.example.com",
                            "CustomHeaders": {"Quantity": 1, "Items": [header]},
                            "CustomOriginConfig": {
                                "HTTPPort": 80,
                                "HTTPSPort": 443,
                                "OriginProtocolPolicy": "https-only",
                            },
                        }
                    ],
                },
                "DefaultCacheBehavior": {
                    "TargetOriginId": "o",
                    "ViewerProtocolPolicy": "allow-all",
                    "MinTTL": 0,
                    "ForwardedValues": {"QueryString": False, "Cookies": {"Forward": "none"}},
                },
            },
            "Tags": {"Items": fleet.PAIRS if tagged else []},
        }
    )


def certificate(aws: boto3.Session, number: int, tagged: bool) -> None:
    optional = {"Tags": fleet.PAIRS} if tagged else {}
    aws.client("acm").request_certificate(
        DomainName=f"c{number}.example.com",
        SubjectAlternativeNames=[f"c{number}.example.com", f"alt{number}.example.com"],
        KeyAlgorithm="EC_prime256v1" if number == 2 else "RSA_2048",
        **optional,
    )


def health_check(aws: boto3.Session, number: int, tagged: bool) -> None:
    route53 = aws.client("route53")
    identifier = route53.create_health_check(
        CallerReference=f"check{number}",
        HealthCheckConfig={
            "Type": "HTTPS",
            "FullyQualifiedDomainName": f"h{number}.example.com",
            "Port": 443,
            "ResourcePath": "/health?token=hunter2",
            "RequestInterval": 30,
            "FailureThreshold": 3,
            "Disabled": number == 2,
        },
    )["HealthCheck"]["Id"]
    if tagged:
        route53.change_tags_for_resource(
            ResourceType="healthcheck", ResourceId=identifier, AddTags=fleet.PAIRS
        )


def zone(aws: boto3.Session, number: int, tagged: bool) -> None:
    route53 = aws.client("route53")
    private = {"VPC": {"VPCRegion": fleet.REGION, "VPCId": "vpc-1"}} if number == 11 else {}
    made = route53.create_hosted_zone(
        Name=f"z{number:02}.example.com",
        CallerReference=f"zone{number}",
        HostedZoneConfig={"PrivateZone": bool(private), "Comment": ""},
        **private,
    )["HostedZone"]["Id"]
    if tagged:
        route53.change_tags_for_resource(
            ResourceType="hostedzone", ResourceId=made.rpartition("/")[2], AddTags=fleet.PAIRS
        )


@pytest.fixture(scope="module")
def reading(account: Account) -> tuple[Snapshot, fleet.Watch]:
    """In pages of two."""
    watch = fleet.Watch(page_size=2)
    return gather(account, watch), watch


def gather(account: Account, watch: fleet.Watch, kinds: tuple[str, ...] = SERVED) -> Snapshot:
    return collect(fleet.config(account, kinds=kinds), Snapshot(), now=NOW, aws=watch.aws())


def of_kind(snapshot: Snapshot, kind: str) -> dict[str, Resource]:
    return {r.name: r for r in snapshot.resources if r.kind == kind}


# --- from the embedded AWS ---------------------------------------------------------------------------


def test_every_scope_is_complete_and_global_services_are_read_once(
    reading: tuple[Snapshot, fleet.Watch],
) -> None:
    assert {(s.scope.kind, s.scope.region): (s.state, s.reason) for s in reading[0].scopes} == {
        (kind, GLOBAL_REGION if kind in GLOBAL else fleet.REGION): (ScopeState.COMPLETE, "")
        for kind in SERVED
    }


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("acm-certificate", [f"c{n}.example.com" for n in range(3)]),
        ("classic-load-balancer", [f"classic{n}" for n in range(3)]),
        ("cloudfront-distribution", [f"site{n}" for n in range(3)]),
        ("hosted-zone", [f"z{n:02}.example.com" for n in range(12)]),
        ("http-api", [f"http{n}" for n in range(3)]),
        ("rest-api", [f"rest{n}" for n in range(3)]),
        ("route53-health-check", [f"h{n}.example.com" for n in range(3)]),
    ],
)
def test_all_are_read_with_their_tags_and_those_without_any_too(
    reading: tuple[Snapshot, fleet.Watch], kind: str, found: list[str]
) -> None:
    resources = of_kind(reading[0], kind)
    assert sorted(resources) == found
    assert [dict(resources[name].tags) for name in found] == [{}] + [fleet.TAGS] * (len(found) - 1)
    assert all(r.arn.startswith("arn:aws:") for r in resources.values())
    region = GLOBAL_REGION if kind in GLOBAL else fleet.REGION
    assert {r.region for r in resources.values()} == {region}


@pytest.mark.parametrize("operation", ["DescribeLoadBalancers", "ListHostedZones"])
def test_the_lists_came_in_several_pages(reading: tuple[Snapshot, fleet.Watch], operation: str) -> None:
    assert reading[1].count(operation) > 1


def test_tags_are_asked_for_in_batches(reading: tuple[Snapshot, fleet.Watch]) -> None:
    assert reading[1].count("ListTagsForResources") == 2 + 1  # twelve zones, three health checks
    assert reading[1].count("DescribeTags") == 1


def test_what_moto_has_none_of_is_read_as_empty_and_complete(account: Account) -> None:
    watch = fleet.Watch()
    found = gather(account, watch, STUBBED)
    assert found.resources == ()
    assert {s.state for s in found.scopes} == {ScopeState.COMPLETE}
    made = {operation for service, operation, _ in watch.calls if service != "sts"}
    assert made == {next(iter(all_kinds()[name].calls)) for name in STUBBED}


def test_no_secret_is_kept(reading: tuple[Snapshot, fleet.Watch]) -> None:
    assert b"hunter2" not in to_bytes(reading[0])


def test_reading_again_gives_the_same_bytes(account: Account, reading: tuple[Snapshot, fleet.Watch]) -> None:
    assert to_bytes(gather(account, fleet.Watch())) == to_bytes(reading[0])


def test_the_policy_allows_the_calls_that_were_made_and_no_other(
    reading: tuple[Snapshot, fleet.Watch],
) -> None:
    kinds = [all_kinds()[name] for name in SERVED]
    declared = {call: action for kind in kinds for call, action in kind.calls.items()}
    made = {operation for service, operation, _ in reading[1].calls if service != "sts"}
    # Who uses a certificate is asked in us-east-1 alone.
    assert made == set(declared) - {"DescribeCertificate"}
    statements = iam.policy(kinds)["Statement"]
    allowed = {action for statement in statements for action in statement["Action"]}
    assert allowed == {*declared.values(), *regions.CALLS.values()}


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        ("acm-certificate", "ListTagsForCertificate"),
        ("classic-load-balancer", "DescribeTags"),
        ("cloudfront-distribution", "ListTagsForResource"),
        ("hosted-zone", "ListTagsForResources"),
        ("route53-health-check", "ListTagsForResources"),
        ("target-group", "DescribeTargetHealth"),
    ],
)
def test_tags_that_cannot_be_read_are_not_taken_for_none(
    moto: str, account: Account, reading: tuple[Snapshot, fleet.Watch], kind: str, operation: str
) -> None:
    target = kind == "target-group"
    if target:
        account = fleet.new_account()
        fleet.balancer(fleet.session(account), "lb")
    before = gather(account, fleet.Watch(), (kind,)) if target else reading[0]
    refusal = fleet.json_refusal if kind == "acm-certificate" else fleet.query_refusal
    watch = fleet.Watch(faults={(operation, ""): refusal("AccessDenied", status=403)})
    found = collect(fleet.config(account, kinds=(kind,)), before, now=NOW, aws=watch.aws())
    (status,) = found.scopes
    assert status.state is ScopeState.DENIED
    assert operation in status.reason
    assert of_kind(before, kind)
    assert of_kind(found, kind) == of_kind(before, kind)


def test_a_machine_knows_every_balancer_that_sends_it_traffic(moto: str) -> None:
    account = fleet.new_account()
    aws = fleet.session(account)
    alone, draining = fleet.launch(aws, 2)
    classic(aws, "old", False)
    aws.client("elb").register_instances_with_load_balancer(
        LoadBalancerName="old", Instances=[{"InstanceId": alone}]
    )
    elb = aws.client("elbv2")
    balancer, target = fleet.balancer(aws, "new")
    elb.register_targets(TargetGroupArn=target, Targets=[{"Id": alone}, {"Id": draining}])
    elb.deregister_targets(TargetGroupArn=target, Targets=[{"Id": draining}])
    vpc = aws.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    addresses = elb.create_target_group(
        Name="addresses", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip"
    )["TargetGroups"][0]["TargetGroupArn"]
    elb.register_targets(TargetGroupArn=addresses, Targets=[{"Id": "10.0.0.7", "Port": 9000}])
    found = gather(account, fleet.Watch(), (*BALANCING, "classic-load-balancer"))
    assert all(s.state is ScopeState.COMPLETE for s in found.scopes), found.scopes
    machines = {r.id: r for r in found.resources if r.kind == "ec2-instance"}
    assert machines[alone].links == {
        "classic-load-balancer": ("old",),
        "load-balancer": (balancer,),
        "target-group": (target,),
    }
    assert machines[draining].links == {}
    groups = of_kind(found, "target-group")
    assert groups["new"].links == {"ec2-instance": (alone,), "load-balancer": (balancer,)}
    assert groups["addresses"].attributes["targets"] == ["10.0.0.7:9000"]
    assert of_kind(found, "load-balancer")["new"].links == {"target-group": (target,)}
    old = of_kind(found, "classic-load-balancer")["old"]
    assert old.links == {"ec2-instance": (alone,)}
    assert old.attributes["listeners"] == ["http:80"]
    assert old.addresses


def urls(snapshot: Snapshot, kind: str) -> dict[str, list[str]]:
    """Name → where a resource of the kind answers."""
    return {r.name: [e.url for e in all_kinds()[kind].endpoints(r)] for r in of_kind(snapshot, kind).values()}


def test_load_balancers_answer_where_they_listen(moto: str) -> None:
    account = fleet.new_account()
    aws = fleet.session(account)
    elb = aws.client("elbv2")
    site, target = fleet.balancer(aws, "site")
    certificate = aws.client("acm").request_certificate(DomainName="site.example.com")["CertificateArn"]
    forward = [{"Type": "forward", "TargetGroupArn": target}]
    elb.create_listener(
        LoadBalancerArn=site,
        Protocol="HTTPS",
        Port=443,
        Certificates=[{"CertificateArn": certificate}],
        DefaultActions=forward,
    )
    network, target = fleet.balancer(aws, "network", "network")
    forward = [{"Type": "forward", "TargetGroupArn": target}]
    for protocol, port in (("UDP", 53), ("TCP_UDP", 853)):
        elb.create_listener(LoadBalancerArn=network, Protocol=protocol, Port=port, DefaultActions=forward)
    found = gather(account, fleet.Watch(), ("load-balancer",))
    assert [s.state for s in found.scopes] == [ScopeState.COMPLETE]
    balancers = of_kind(found, "load-balancer")
    assert balancers["site"].attributes["listeners"] == ["http:80", "https:443"]
    (name,), (other,) = balancers["site"].addresses, balancers["network"].addresses
    assert urls(found, "load-balancer") == {
        "site": [f"http://{name}:80", f"https://{name}:443"],
        "network": [f"tcp://{other}:80", f"tcp://{other}:853"],  # UDP alone cannot be told alive
    }


def test_a_load_balancer_that_is_deleted_before_its_listeners_are_asked_for_is_left_out(moto: str) -> None:
    account = fleet.new_account()
    aws = fleet.session(account)
    fleet.balancer(aws, "stays")
    doomed, _ = fleet.balancer(aws, "goes")
    shared = fleet.Watch().aws()
    gone = fleet.query_refusal("LoadBalancerNotFound", "One or more load balancers not found")

    def answer(request: Any, **_: Any) -> Any:
        return gone(request) if quote(doomed, safe="") in str(request.body) else None

    shared.events.register_first("before-send.elastic-load-balancing-v2.DescribeListeners", answer)
    found = collect(fleet.config(account, kinds=("load-balancer",)), Snapshot(), now=NOW, aws=shared)
    assert [s.state for s in found.scopes] == [ScopeState.COMPLETE]
    assert list(of_kind(found, "load-balancer")) == ["stays"]


def test_apis_names_of_distributions_and_classic_load_balancers_are_endpoints(
    reading: tuple[Snapshot, fleet.Watch],
) -> None:
    snapshot, _ = reading
    classic_one = of_kind(snapshot, "classic-load-balancer")["classic0"]
    assert urls(snapshot, "classic-load-balancer")["classic0"] == [f"http://{classic_one.addresses[0]}:80"]
    web = of_kind(snapshot, "http-api")["http0"]
    assert urls(snapshot, "http-api") == {
        **{f"http{n}": [f"https://{of_kind(snapshot, 'http-api')[f'http{n}'].addresses[0]}"] for n in (0, 1)},
        "http2": [],  # a WebSocket API
    }
    assert web.addresses[0].startswith(f"{web.id}.execute-api.{fleet.REGION}.")
    rest = of_kind(snapshot, "rest-api")["rest0"]
    host = f"{rest.id}.execute-api.{fleet.REGION}.amazonaws.com"
    assert urls(snapshot, "rest-api")["rest0"] == [f"https://{host}"]
    assert urls(snapshot, "cloudfront-distribution")["site0"] == ["https://www0.example.com"]


@pytest.mark.parametrize(
    ("attributes", "addresses", "found"),
    [
        ({"staging": False}, ("*.example.com", "d1.cloudfront.net"), ["https://d1.cloudfront.net"]),
        ({"staging": False}, ("*.example.com", "a.example.com", "d1"), ["https://a.example.com"]),
        ({"staging": True}, ("a.example.com", "d1.cloudfront.net"), []),
        ({}, (), []),
    ],
)
def test_a_wildcard_names_no_host(
    attributes: dict[str, Any], addresses: tuple[str, ...], found: list[str]
) -> None:
    distribution = Resource(
        "arn:d", "cloudfront-distribution", "1", "global", "d", addresses=addresses, attributes=attributes
    )
    given = all_kinds()["cloudfront-distribution"].endpoints(distribution)
    assert [e.url for e in given] == found


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, ["tls://shop.example.com:443", "tls://alt.example.com:443"]),
        ({"in_use": False}, []),
        ({"type": "private"}, []),
    ],
)
def test_certificates_in_use_are_looked_at_where_they_are_served(
    changes: dict[str, Any], found: list[str]
) -> None:
    attributes = {
        "in_use": True,
        "type": "amazon-issued",
        "names": ["*.example.com", "alt.example.com"],
        **changes,
    }
    known = Resource("arn:c", "acm-certificate", "1", "r", "c", "shop.example.com", attributes=attributes)
    assert [e.url for e in all_kinds()["acm-certificate"].endpoints(known)] == found


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("rest-api", {"endpoint": "private", "default_endpoint": True}),
        ("rest-api", {"endpoint": "regional", "default_endpoint": False}),
        ("http-api", {"protocol": "http", "default_endpoint": False}),
        ("opensearch-domain", {"vpc": "vpc-1"}),
    ],
)
def test_what_is_private_or_switched_off_has_no_endpoint(kind: str, attributes: dict[str, Any]) -> None:
    hidden = Resource("arn:x", kind, "1", "r", "x", addresses=("x.example.com",), attributes=attributes)
    assert all_kinds()[kind].endpoints(hidden) == ()


def test_gateway_load_balancers_are_told_apart(moto: str) -> None:
    account = fleet.new_account()
    aws = fleet.session(account)
    elb = aws.client("elbv2")
    elb.create_load_balancer(Name="inspect", Subnets=fleet.subnets(aws), Type="gateway", Tags=fleet.PAIRS)
    found = gather(account, fleet.Watch(), ("load-balancer",))
    (gateway,) = found.resources
    assert gateway.attributes["type"] == "gateway"
    assert gateway.tags == fleet.TAGS
    assert "AWS/GatewayELB" in all_kinds()["load-balancer"].namespaces
    ((name, value),) = all_kinds()["load-balancer"].dimensions(gateway)
    assert name == "LoadBalancer"
    assert gateway.arn.endswith(f":loadbalancer/{value}")


def test_what_is_switched_off_is_no_target(reading: tuple[Snapshot, fleet.Watch]) -> None:
    sites = of_kind(reading[0], "cloudfront-distribution")
    assert sites["site0"].lifecycle is Lifecycle.IN_SERVICE
    assert (sites["site2"].state, sites["site2"].lifecycle) == ("Disabled", Lifecycle.STOPPED)
    checks = of_kind(reading[0], "route53-health-check")
    assert checks["h0.example.com"].lifecycle is Lifecycle.IN_SERVICE
    assert checks["h2.example.com"].lifecycle is Lifecycle.STOPPED


def test_each_says_what_it_is(reading: tuple[Snapshot, fleet.Watch]) -> None:
    kinds, snapshot = all_kinds(), reading[0]
    site = of_kind(snapshot, "cloudfront-distribution")["site1"]
    assert site.addresses[0] == "www1.example.com"
    assert site.attributes["origins"] == ["origin1.example.com"]
    check = of_kind(snapshot, "route53-health-check")["h1.example.com"]
    assert kinds["route53-health-check"].facts(check) == {"type": "https"}
    assert check.attributes["path"] == "/health"
    assert kinds["rest-api"].facts(of_kind(snapshot, "rest-api")["rest2"]) == {"endpoint": "edge"}
    assert kinds["http-api"].facts(of_kind(snapshot, "http-api")["http2"]) == {"protocol": "websocket"}
    certificates = of_kind(snapshot, "acm-certificate")
    found = certificates["c1.example.com"]
    assert datetime.fromisoformat(found.attributes["expires"]) > datetime.fromisoformat("2026-01-01T00:00Z")
    zones = of_kind(snapshot, "hosted-zone")
    assert zones["z11.example.com"].attributes["private"] is True
    assert kinds["hosted-zone"].facts(zones["z01.example.com"]) == {"private": "false"}


def test_cloudwatch_knows_them(reading: tuple[Snapshot, fleet.Watch]) -> None:
    kinds, snapshot = all_kinds(), reading[0]

    def told(kind: str, name: str) -> dict[str, str]:
        return dict(kinds[kind].dimensions(of_kind(snapshot, kind)[name]))

    assert told("classic-load-balancer", "classic0") == {"LoadBalancerName": "classic0"}
    assert told("rest-api", "rest0") == {"ApiName": "rest0"}
    http = of_kind(snapshot, "http-api")["http0"]
    assert told("http-api", "http0") == {"ApiId": http.id}
    site = of_kind(snapshot, "cloudfront-distribution")["site0"]
    assert told("cloudfront-distribution", "site0") == {"DistributionId": site.id, "Region": "Global"}
    check = of_kind(snapshot, "route53-health-check")["h0.example.com"]
    assert told("route53-health-check", "h0.example.com") == {"HealthCheckId": check.id}
    zone = of_kind(snapshot, "hosted-zone")["z00.example.com"]
    assert told("hosted-zone", "z00.example.com") == {"HostedZoneId": zone.id}
    assert told("hosted-zone", "z11.example.com") == {}
    certificate = of_kind(snapshot, "acm-certificate")["c0.example.com"]
    assert told("acm-certificate", "c0.example.com") == {"CertificateArn": certificate.arn}


def test_the_metrics_of_global_services_are_read_in_us_east_1(
    reading: tuple[Snapshot, fleet.Watch],
) -> None:
    site = of_kind(reading[0], "cloudfront-distribution")["site0"]
    source = CloudWatch("AWS/CloudFront", (CloudWatchMetric("5xxErrorRate", ("Average",)),))
    (job,) = scraping._static_jobs(Member(site, {}), source)
    assert job["regions"] == ["us-east-1"]


def test_the_states_are_those_of_aws() -> None:
    core = boto3.Session()._session
    for name, service, shape in [
        ("acm-certificate", "acm", "CertificateStatus"),
        ("rest-api", "apigateway", "ApiStatus"),
    ]:
        known = set(core.get_service_model(service).shape_for(shape).enum)
        assert set(all_kinds()[name].states) - {""} == known


# --- from recorded answers ---------------------------------------------------------------------------

EAST = "us-east-1"
GLOBAL_PLACE = Place(ACCOUNT, GLOBAL_REGION, "aws", ("eu-west-1",))
KEY_TYPES = {
    "keyTypes": [
        *("RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096"),
        *("EC_prime256v1", "EC_secp384r1", "EC_secp521r1"),
    ]
}


def certificate_arn(name: str) -> str:
    return f"arn:aws:acm:{EAST}:{ACCOUNT}:certificate/{name}"


def summary(name: str, in_use: bool) -> dict[str, Any]:
    return {
        "CertificateArn": certificate_arn(name),
        "DomainName": f"{name}.example.com",
        "SubjectAlternativeNameSummaries": [f"{name}.example.com", f"www.{name}.example.com"],
        "Status": "ISSUED",
        "Type": "AMAZON_ISSUED",
        "KeyAlgorithm": "RSA-2048",
        "InUse": in_use,
        "RenewalEligibility": "ELIGIBLE",
        "NotAfter": datetime(2027, 4, 1, tzinfo=UTC),
        "CreatedAt": MADE,
    }


def listed_certificates() -> list[Call]:
    """On two pages, one that CloudFront uses, one of a load balancer, one of nobody."""
    first = {"Includes": KEY_TYPES, "MaxItems": 1000}
    return [
        Call(
            "list_certificates",
            first,
            {"CertificateSummaryList": [summary("site", True), summary("app", True)], "NextToken": "n"},
            region=EAST,
        ),
        Call(
            "list_certificates",
            {**first, "NextToken": "n"},
            {"CertificateSummaryList": [summary("spare", False)]},
            region=EAST,
        ),
        used("site", f"arn:aws:cloudfront::{ACCOUNT}:distribution/E1"),
        used("app", f"arn:aws:elasticloadbalancing:{EAST}:{ACCOUNT}:loadbalancer/app/cloudfront/1"),
    ]


def used(name: str, by: str) -> Call:
    answer = {"Certificate": {"CertificateArn": certificate_arn(name), "InUseBy": [by]}}
    return Call("describe_certificate", {"CertificateArn": certificate_arn(name)}, answer, region=EAST)


def tags_of(name: str, **more: Any) -> Call:
    expected = {"CertificateArn": certificate_arn(name)}
    return Call("list_tags_for_certificate", expected, region=EAST, **more)


def test_certificates_that_cloudfront_uses_are_read_from_us_east_1_whatever_the_regions() -> None:
    tagged = tags_of("site", answer={"Tags": fleet.PAIRS})
    (found,) = read("cloudfront-certificate", [*listed_certificates(), tagged], GLOBAL_PLACE)
    assert (found.kind, found.region, found.name) == (
        "cloudfront-certificate",
        GLOBAL_REGION,
        "site.example.com",
    )
    assert found.tags == fleet.TAGS
    assert found.attributes["expires"] == "2027-04-01T00:00:00Z"
    assert found.attributes["names"] == ["www.site.example.com"]
    assert all_kinds()["cloudfront-certificate"].dimensions(found) == (("CertificateArn", found.arn),)


def test_no_certificate_is_read_as_two_kinds() -> None:
    east = Place(ACCOUNT, EAST, "aws", (EAST,))
    tags = [tags_of(name) for name in ("app", "spare")]
    found = read("acm-certificate", [*listed_certificates(), *tags], east)
    assert [r.name for r in found] == ["app.example.com", "spare.example.com"]


def test_certificates_of_cloudfront_are_asked_for_in_us_east_1(account: Account) -> None:
    watch = fleet.Watch()
    gather(account, watch, STUBBED)
    assert [region for _, operation, region in watch.calls if operation == "ListCertificates"] == [EAST]


def test_where_cloudfront_takes_no_certificate_from_acm_nothing_is_asked() -> None:
    china = Place(ACCOUNT, GLOBAL_REGION, "aws-cn", ("cn-north-1",))
    assert read("cloudfront-certificate", [], china) == []


def test_a_certificate_that_is_deleted_meanwhile_is_left_out() -> None:
    summaries = [
        {**summary(name, False), "CertificateArn": f"arn:aws:acm:eu-west-1:{ACCOUNT}:certificate/{name}"}
        for name in ("gone", "here")
    ]
    arns = [s["CertificateArn"] for s in summaries]
    calls = [
        Call(
            "list_certificates",
            {"Includes": KEY_TYPES, "MaxItems": 1000},
            {"CertificateSummaryList": summaries},
        ),
        Call("list_tags_for_certificate", {"CertificateArn": arns[0]}, error="ResourceNotFoundException"),
        Call("list_tags_for_certificate", {"CertificateArn": arns[1]}),
    ]
    assert [r.arn for r in read("acm-certificate", calls, PLACE)] == [arns[1]]


def recorded_zones(*names: str) -> dict[str, Any]:
    return {
        "HostedZones": [
            {"Id": f"/hostedzone/{name}", "Name": f"{name}.example.com.", "CallerReference": "r"}
            for name in names
        ],
        "IsTruncated": False,
        "MaxItems": "100",
        "Marker": "",
    }


def tag_sets(*names: str) -> dict[str, Any]:
    return {
        "ResourceTagSets": [
            {"ResourceType": "hostedzone", "ResourceId": name, "Tags": fleet.PAIRS} for name in names
        ]
    }


def batch(*names: str) -> dict[str, Any]:
    return {"ResourceType": "hostedzone", "ResourceIds": list(names)}


def test_a_zone_that_is_deleted_meanwhile_does_not_take_its_batch_along() -> None:
    calls = [
        Call("list_hosted_zones", {"MaxItems": "100"}, recorded_zones("A", "B", "C")),
        Call("list_tags_for_resources", batch("A", "B", "C"), error="NoSuchHostedZone"),
        Call("list_tags_for_resources", batch("A"), tag_sets("A")),
        Call("list_tags_for_resources", batch("B"), error="NoSuchHostedZone"),
        Call("list_tags_for_resources", batch("C"), tag_sets("C")),
    ]
    found = read("hosted-zone", calls)
    assert [(r.id, r.name) for r in found] == [("A", "A.example.com"), ("C", "C.example.com")]
    assert all(r.tags == fleet.TAGS for r in found)


def test_a_zone_that_is_missing_from_the_tags_fails_the_reading() -> None:
    calls = [
        Call("list_hosted_zones", {"MaxItems": "100"}, recorded_zones("A", "B")),
        Call("list_tags_for_resources", batch("A", "B"), tag_sets("A")),
    ]
    with pytest.raises(LookupError):
        read("hosted-zone", calls)


def test_zones_that_cannot_be_listed_are_not_none() -> None:
    with pytest.raises(CallError, match="ListHostedZones"):
        read("hosted-zone", [Call("list_hosted_zones", {"MaxItems": "100"}, error="InvalidInput")])


def checks(*names: str, more: bool = False) -> dict[str, Any]:
    return {
        "HealthChecks": [
            {
                "Id": name,
                "CallerReference": "r",
                "HealthCheckVersion": 1,
                "HealthCheckConfig": {"Type": "CALCULATED", "ChildHealthChecks": ["b", "a"]},
            }
            for name in names
        ],
        "IsTruncated": more,
        "MaxItems": "1000",
        "Marker": "",
        **({"NextMarker": "next"} if more else {}),
    }


def test_health_checks_are_read_over_all_pages() -> None:
    def tags(*names: str) -> Call:
        sets = [{"ResourceType": "healthcheck", "ResourceId": n} for n in names]
        expected = {"ResourceType": "healthcheck", "ResourceIds": list(names)}
        return Call("list_tags_for_resources", expected, {"ResourceTagSets": sets})

    found = read(
        "route53-health-check",
        [
            Call("list_health_checks", {"MaxItems": "1000"}, checks("one", more=True)),
            Call("list_health_checks", {"MaxItems": "1000", "Marker": "next"}, checks("two")),
            tags("one", "two"),
        ],
    )
    assert [r.id for r in found] == ["one", "two"]
    assert found[0].links == {"route53-health-check": ("a", "b")}


def site(name: str) -> dict[str, Any]:
    empty = {"Quantity": 0}
    return {
        "Id": name,
        "ARN": f"arn:aws:cloudfront::{ACCOUNT}:distribution/{name}",
        "Status": "InProgress",
        "LastModifiedTime": MADE,
        "DomainName": f"{name}.cloudfront.net",
        "Comment": "",
        "Enabled": True,
        "Aliases": empty,
        "Origins": {"Quantity": 1, "Items": [{"Id": "o", "DomainName": "o.example.com"}]},
        "DefaultCacheBehavior": {"TargetOriginId": "o", "ViewerProtocolPolicy": "allow-all"},
        "CacheBehaviors": empty,
        "CustomErrorResponses": empty,
        "PriceClass": "PriceClass_100",
        "ViewerCertificate": {"ACMCertificateArn": certificate_arn("site")},
        "Restrictions": {"GeoRestriction": {"RestrictionType": "none", "Quantity": 0}},
        "WebACLId": "",
        "HttpVersion": "http2",
        "IsIPV6Enabled": True,
        "Staging": False,
    }


def sites(*names: str, more: bool = False) -> dict[str, Any]:
    return {
        "DistributionList": {
            "Marker": "",
            "MaxItems": 100,
            "IsTruncated": more,
            "Quantity": len(names),
            "Items": [site(name) for name in names],
            **({"NextMarker": "next"} if more else {}),
        }
    }


def test_distributions_are_read_over_all_pages_and_know_their_certificate() -> None:
    def tags(name: str, **more: Any) -> Call:
        arn = f"arn:aws:cloudfront::{ACCOUNT}:distribution/{name}"
        return Call("list_tags_for_resource", {"Resource": arn}, **more)

    found = read(
        "cloudfront-distribution",
        [
            Call("list_distributions", {"MaxItems": "100"}, sites("E1", "E2", more=True)),
            Call("list_distributions", {"MaxItems": "100", "Marker": "next"}, sites("E3")),
            tags("E1", answer={"Tags": {"Items": fleet.PAIRS}}),
            tags("E2", error="NoSuchResource"),
            tags("E3", answer={"Tags": {}}),
        ],
        GLOBAL_PLACE,
    )
    assert [(r.id, dict(r.tags)) for r in found] == [("E1", fleet.TAGS), ("E3", {})]
    assert found[0].links == {"cloudfront-certificate": (certificate_arn("site"),)}
    assert found[0].lifecycle is Lifecycle.IN_SERVICE


@pytest.mark.parametrize(
    ("kind", "operation", "size", "token", "answer"),
    [
        ("rest-api", "get_rest_apis", {"limit": 500}, "position", {"items": [{"id": "a", "name": "n"}]}),
        (
            "http-api",
            "get_apis",
            {},
            "NextToken",
            {"Items": [{"ApiId": "a", "Name": "n", "ProtocolType": "HTTP", "RouteSelectionExpression": "r"}]},
        ),
    ],
)
def test_apis_are_read_over_all_pages(
    kind: str, operation: str, size: dict[str, Any], token: str, answer: dict[str, Any]
) -> None:
    ((key, (item,)),) = answer.items()
    name = "id" if kind == "rest-api" else "ApiId"
    calls = [
        Call(operation, size, {**answer, token: "t"}),
        Call(operation, {**size, token: "t"}, {key: [{**item, name: "b"}]}),
    ]
    assert [r.id for r in read(kind, calls)] == ["a", "b"]


def target_group(targets: list[tuple[str, int, str]], type_: str) -> Resource:
    """The target group whose targets are these: id, port, state."""
    arn = f"arn:aws:elasticloadbalancing:{fleet.REGION}:{ACCOUNT}:targetgroup/web/1"
    described = [
        {"Target": {"Id": identifier, "Port": port}, "TargetHealth": {"State": state}}
        for identifier, port, state in targets
    ]
    group = {"TargetGroupArn": arn, "TargetGroupName": "web", "TargetType": type_, "Port": 80}
    tags = {"TagDescriptions": [{"ResourceArn": arn, "Tags": fleet.PAIRS}]}
    (found,) = read(
        "target-group",
        [
            Call("describe_target_groups", {"PageSize": 400}, {"TargetGroups": [group]}),
            Call("describe_tags", {"ResourceArns": [arn]}, tags),
            Call(
                "describe_target_health",
                {"TargetGroupArn": arn},
                {"TargetHealthDescriptions": described},
            ),
        ],
    )
    return found


def test_the_health_of_a_target_does_not_change_what_is_written() -> None:
    states = ["healthy", "unhealthy", "initial", "unused", "unavailable", "unhealthy.draining"]
    found = {str(target_group([("i-2", 80, state), ("i-1", 80, "healthy")], "instance")) for state in states}
    assert len(found) == 1
    assert target_group([("i-2", 80, "healthy")], "instance").links == {"ec2-instance": ("i-2",)}


def test_a_target_that_is_draining_was_taken_out() -> None:
    found = target_group(
        [("i-2", 80, "draining"), ("i-1", 80, "healthy"), ("i-1", 81, "draining")], "instance"
    )
    assert found.links == {"ec2-instance": ("i-1",)}


def test_targets_that_are_addresses_have_their_port() -> None:
    found = target_group([("fd00::1", 80, "healthy"), ("10.0.0.1", 9000, "unhealthy")], "ip")
    assert found.attributes["targets"] == ["10.0.0.1:9000", "[fd00::1]:80"]
    assert "ec2-instance" not in found.links
