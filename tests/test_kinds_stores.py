"""Kinds that keep data: clusters of databases and caches, search, file systems, backups."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from mac import iam, regions
from mac.answers import CallError
from mac.collect import collect
from mac.kinds import all_kinds
from mac.model import Account, Lifecycle, Resource, ScopeState, Snapshot
from mac.snapshot import to_bytes
from tests import aws_fleet as fleet
from tests.recorded import ACCOUNT, PLACE, Call, read

NOW = datetime(2096, 11, 23, 12, tzinfo=UTC)  # long after the embedded AWS launches anything
MADE = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)

SERVED = (
    "backup-vault",
    "efs-file-system",
    "elasticache-replication-group",
    "fsx-file-system",
    "memorydb-cluster",
    "neptune-cluster",
    "neptune-instance",
    "opensearch-domain",
    "rds-cluster",
    "redshift-cluster",
)
# moto makes no clusters of DocumentDB: their scopes are read from it, and are empty.
STUBBED = ("docdb-cluster", "docdb-instance")


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with fleet.serve() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def account(moto: str) -> Account:
    made = fleet.new_account()
    aws = fleet.session(made)
    for number in range(3):
        build(aws, number, number > 0)
    # More domains than one call describes, and what is of another service's.
    for number in range(3, 7):
        aws.client("opensearch").create_domain(DomainName=f"search{number}", TagList=fleet.PAIRS)
    return made


def graph(aws: boto3.Session) -> None:
    cluster(aws, "graph", True, "neptune")
    aws.client("rds").create_db_instance(
        DBInstanceIdentifier="node",
        DBClusterIdentifier="graph",
        DBInstanceClass="db.r6g.large",
        Engine="neptune",
        Tags=fleet.PAIRS,
    )


def build(aws: boto3.Session, number: int, tagged: bool) -> None:
    """One of each, and the first time one of those that RDS lists for another service."""
    if number == 0:
        graph(aws)
    pairs = fleet.PAIRS if tagged else []
    subnets = fleet.subnets(aws)
    cluster(aws, f"aurora{number}", tagged)
    aws.client("rds").create_db_instance(
        DBInstanceIdentifier=f"member{number}",
        DBClusterIdentifier=f"aurora{number}",
        DBInstanceClass="db.r6g.large",
        Engine="aurora-mysql",
    )
    aws.client("elasticache").create_replication_group(
        ReplicationGroupId=f"group{number}",
        ReplicationGroupDescription="d",
        CacheNodeType="cache.t3.micro",
        Engine="redis",
        NumCacheClusters=2,
        AutomaticFailoverEnabled=True,
        AuthToken="hunter2hunter2hunter2",
        TransitEncryptionEnabled=True,
        Tags=pairs,
    )
    aws.client("memorydb").create_cluster(
        ClusterName=f"memory{number}", NodeType="db.t4g.small", ACLName="open-access", Tags=pairs
    )
    aws.client("redshift").create_cluster(
        ClusterIdentifier=f"warehouse{number}",
        NodeType="ra3.large",
        MasterUsername="root",
        MasterUserPassword="Hunter2hunter2",
        NumberOfNodes=2,
        ClusterType="multi-node",
        Tags=pairs,
    )
    aws.client("opensearch").create_domain(
        DomainName=f"search{number}",
        EngineVersion="OpenSearch_2.11",
        ClusterConfig={"InstanceType": "r6g.large.search", "InstanceCount": 3},
        AdvancedSecurityOptions={
            "Enabled": True,
            "MasterUserOptions": {"MasterUserName": "root", "MasterUserPassword": "Hunter2!hunter2"},
        },
        TagList=pairs,
    )
    named = [*pairs, {"Key": "Name", "Value": f"files{number}"}]
    aws.client("efs").create_file_system(CreationToken=f"t{number}", Tags=named)
    aws.client("fsx").create_file_system(
        FileSystemType="LUSTRE", StorageCapacity=1200, SubnetIds=subnets[:1], Tags=named
    )
    vault = {"BackupVaultTags": fleet.TAGS} if tagged else {}
    aws.client("backup").create_backup_vault(BackupVaultName=f"vault{number}", **vault)


def cluster(aws: boto3.Session, name: str, tagged: bool, engine: str = "aurora-mysql") -> None:
    aws.client("rds").create_db_cluster(
        DBClusterIdentifier=name,
        Engine=engine,
        MasterUsername="root",
        MasterUserPassword="hunter2hunter2",
        Tags=fleet.PAIRS if tagged else [],
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


def test_every_scope_is_complete(reading: tuple[Snapshot, fleet.Watch]) -> None:
    assert {s.scope.kind: (s.state, s.reason) for s in reading[0].scopes} == dict.fromkeys(
        SERVED, (ScopeState.COMPLETE, "")
    )


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("backup-vault", "vault"),
        ("efs-file-system", "files"),
        ("elasticache-replication-group", "group"),
        ("fsx-file-system", "files"),
        ("memorydb-cluster", "memory"),
        ("opensearch-domain", "search"),
        ("rds-cluster", "aurora"),
        ("redshift-cluster", "warehouse"),
    ],
)
def test_all_are_read_with_their_tags_and_those_without_any_too(
    reading: tuple[Snapshot, fleet.Watch], kind: str, name: str
) -> None:
    resources = of_kind(reading[0], kind)
    count = 7 if kind == "opensearch-domain" else 3
    assert sorted(resources) == [f"{name}{n}" for n in range(count)]
    tags = [{k: v for k, v in resources[n].tags.items() if k != "Name"} for n in sorted(resources)]
    assert tags == [{}] + [fleet.TAGS] * (count - 1)
    assert all(r.arn.startswith("arn:aws:") and r.region == fleet.REGION for r in resources.values())
    assert {r.lifecycle for r in resources.values()} <= {Lifecycle.IN_SERVICE, Lifecycle.STARTING}


@pytest.mark.parametrize(
    ("operation", "count"),
    [
        ("DescribeFileSystems", 4),  # two pages of EFS's, two of FSx's
        ("DescribeDomains", 2),
    ],
)
def test_the_lists_came_in_several_calls(
    reading: tuple[Snapshot, fleet.Watch], operation: str, count: int
) -> None:
    assert reading[1].count(operation) == count


def test_what_moto_has_none_of_is_read_as_empty_and_complete(account: Account) -> None:
    watch = fleet.Watch()
    found = gather(account, watch, STUBBED)
    assert found.resources == ()
    assert {s.state for s in found.scopes} == {ScopeState.COMPLETE}
    made = {operation for service, operation, _ in watch.calls if service != "sts"}
    assert made == {next(iter(all_kinds()[name].calls)) for name in STUBBED}


def test_no_secret_is_kept(reading: tuple[Snapshot, fleet.Watch]) -> None:
    written = to_bytes(reading[0]).upper()
    assert b"HUNTER2" not in written
    assert b"PASSWORD" not in written


def test_reading_again_gives_the_same_bytes(account: Account, reading: tuple[Snapshot, fleet.Watch]) -> None:
    assert to_bytes(gather(account, fleet.Watch())) == to_bytes(reading[0])


def test_the_policy_allows_the_calls_that_were_made_and_no_other(
    reading: tuple[Snapshot, fleet.Watch],
) -> None:
    kinds = [all_kinds()[name] for name in SERVED]
    declared = {call: action for kind in kinds for call, action in kind.calls.items()}
    made = {operation for service, operation, _ in reading[1].calls if service != "sts"}
    assert made == set(declared)
    allowed = set(iam.policy(kinds)["Statement"][0]["Action"])
    assert allowed == {*regions.CALLS.values()} | {a for kind in kinds for a in kind.calls.values()}


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        ("backup-vault", "ListTags"),
        ("elasticache-replication-group", "ListTagsForResource"),
        ("memorydb-cluster", "ListTags"),
        ("opensearch-domain", "DescribeDomains"),
        ("opensearch-domain", "ListTags"),
    ],
)
def test_tags_that_cannot_be_read_are_not_taken_for_none(
    account: Account, reading: tuple[Snapshot, fleet.Watch], kind: str, operation: str
) -> None:
    refusal = fleet.query_refusal if kind.startswith("elasticache") else fleet.json_refusal
    watch = fleet.Watch(faults={(operation, ""): refusal("AccessDeniedException", status=403)})
    found = collect(fleet.config(account, kinds=(kind,)), reading[0], now=NOW, aws=watch.aws())
    (status,) = found.scopes
    assert status.state is ScopeState.DENIED
    assert operation in status.reason
    assert of_kind(found, kind) == of_kind(reading[0], kind) != {}


def test_clusters_and_their_instances_know_each_other(account: Account) -> None:
    found = gather(account, fleet.Watch(), ("rds-cluster", "rds-instance"))
    instance = of_kind(found, "rds-instance")["member1"]
    aurora = of_kind(found, "rds-cluster")["aurora1"]
    assert aurora.links == {"rds-instance": ("member1",)}
    assert instance.links["rds-cluster"] == ("aurora1",)
    assert aurora.addresses
    assert all_kinds()["rds-cluster"].facts(aurora)["engine"] == "aurora-mysql"


def test_neptune_and_documentdb_are_kinds_of_their_own(reading: tuple[Snapshot, fleet.Watch]) -> None:
    (graph,) = of_kind(reading[0], "neptune-cluster").values()
    (node,) = of_kind(reading[0], "neptune-instance").values()
    assert graph.links == {"neptune-instance": ("node",)}
    assert node.links == {"neptune-cluster": ("graph",)}
    assert graph.tags == node.tags == fleet.TAGS
    for name, namespace in [("docdb", "AWS/DocDB"), ("neptune", "AWS/Neptune")]:
        for part, dimension in [("cluster", "DBClusterIdentifier"), ("instance", "DBInstanceIdentifier")]:
            kind = all_kinds()[f"{name}-{part}"]
            assert kind.namespaces == (namespace,)
            assert kind.dimensions(node) == ((dimension, "node"),)


def test_each_says_what_it_is(reading: tuple[Snapshot, fleet.Watch]) -> None:
    kinds, snapshot = all_kinds(), reading[0]
    domain = of_kind(snapshot, "opensearch-domain")["search0"]
    assert (domain.attributes["engine"], domain.attributes["engine_version"]) == ("opensearch", "2.11")
    assert domain.attributes["nodes"] == 3
    warehouse = of_kind(snapshot, "redshift-cluster")["warehouse0"]
    assert warehouse.attributes["nodes"] == 2
    assert kinds["redshift-cluster"].facts(warehouse)["node_type"] == "ra3.large"
    assert warehouse.addresses
    lustre = of_kind(snapshot, "fsx-file-system")["files0"]
    assert lustre.attributes["type"] == "lustre"
    assert lustre.attributes["storage_bytes"] == 1200 * 1024**3
    group = of_kind(snapshot, "elasticache-replication-group")["group0"]
    assert kinds["elasticache-replication-group"].facts(group)["node_type"] == "cache.t3.micro"
    memory = of_kind(snapshot, "memorydb-cluster")["memory0"]
    assert kinds["memorydb-cluster"].facts(memory)["node_type"] == "db.t4g.small"
    vault = of_kind(snapshot, "backup-vault")["vault0"]
    assert kinds["backup-vault"].facts(vault) == {"locked": "false", "type": "backup-vault"}


@pytest.mark.parametrize(
    ("kind", "name", "namespace", "dimension"),
    [
        ("backup-vault", "vault0", "AWS/Backup", "BackupVaultName"),
        ("efs-file-system", "files0", "AWS/EFS", "FileSystemId"),
        ("fsx-file-system", "files0", "AWS/FSx", "FileSystemId"),
        ("memorydb-cluster", "memory0", "AWS/MemoryDB", "ClusterName"),
        ("rds-cluster", "aurora0", "AWS/RDS", "DBClusterIdentifier"),
        ("redshift-cluster", "warehouse0", "AWS/Redshift", "ClusterIdentifier"),
    ],
)
def test_cloudwatch_knows_a_resource_by_its_id(
    reading: tuple[Snapshot, fleet.Watch], kind: str, name: str, namespace: str, dimension: str
) -> None:
    resource = of_kind(reading[0], kind)[name]
    assert all_kinds()[kind].dimensions(resource) == ((dimension, resource.id),)
    assert all_kinds()[kind].namespaces == (namespace,)


def test_cloudwatch_knows_a_domain_by_its_name_and_account(
    account: Account, reading: tuple[Snapshot, fleet.Watch]
) -> None:
    domain = of_kind(reading[0], "opensearch-domain")["search0"]
    assert dict(all_kinds()["opensearch-domain"].dimensions(domain)) == {
        "DomainName": "search0",
        "ClientId": account.id,
    }


def test_the_states_are_those_of_aws() -> None:
    core = boto3.Session()._session
    for name, service, shape in [
        ("backup-vault", "backup", "VaultState"),
        ("fsx-file-system", "fsx", "FileSystemLifecycle"),
        ("opensearch-domain", "opensearch", "DomainProcessingStatusType"),
    ]:
        known = set(core.get_service_model(service).shape_for(shape).enum)
        assert set(all_kinds()[name].states) - {""} == known
    known = set(core.get_service_model("efs").shape_for("LifeCycleState").enum)
    assert set(all_kinds()["efs-file-system"].states) == known - {"deleted"}


# --- from recorded answers ---------------------------------------------------------------------------


def arn(rest: str) -> str:
    return f"arn:aws:{rest.format(at=f'{fleet.REGION}:{ACCOUNT}')}"


def database(name: str, engine: str, **more: Any) -> dict[str, Any]:
    identity = {"DBClusterIdentifier": name, "DBClusterArn": arn(f"rds:{{at}}:cluster:{name}")}
    changing = {"LatestRestorableTime": NOW, "PercentProgress": "7", "Status": "available"}
    return {**identity, **changing, "Engine": engine, **more}


def member(name: str, writes: bool) -> dict[str, Any]:
    return {"DBInstanceIdentifier": name, "IsClusterWriter": writes}


def test_database_clusters_are_read_over_all_pages_without_those_of_other_services() -> None:
    size = {"MaxRecords": 100}
    members = [member("b", True), member("a", False)]
    first = [
        database("one", "aurora-mysql", DBClusterMembers=members, Endpoint="w", ReaderEndpoint="r"),
        database("documents", "docdb"),
    ]
    second = [database("graph", "neptune"), database("two", "postgres", Status="stopping")]
    found = read(
        "rds-cluster",
        [
            Call("describe_db_clusters", size, {"DBClusters": first, "Marker": "m"}),
            Call("describe_db_clusters", {**size, "Marker": "m"}, {"DBClusters": second}),
        ],
    )
    assert [(r.id, r.lifecycle) for r in found] == [
        ("one", Lifecycle.IN_SERVICE),
        ("two", Lifecycle.LEAVING),
    ]
    assert found[0].links == {"rds-instance": ("a", "b")}
    assert found[0].addresses == ("w", "r")


def test_documentdb_is_asked_for_by_its_engine_over_all_pages() -> None:
    only = {"MaxRecords": 100, "Filters": [{"Name": "engine", "Values": ["docdb"]}]}

    def instance(name: str) -> dict[str, Any]:
        identity = {"DBInstanceIdentifier": name, "DBInstanceArn": arn(f"rds:{{at}}:db:{name}")}
        return {**identity, "Engine": "docdb", "DBClusterIdentifier": "documents", "TagList": fleet.PAIRS}

    clusters = read(
        "docdb-cluster",
        [
            Call(
                "describe_db_clusters",
                only,
                {"DBClusters": [database("documents", "docdb")], "Marker": "m"},
            ),
            Call(
                "describe_db_clusters",
                {**only, "Marker": "m"},
                # An endpoint that does not know the filter tells everything.
                {"DBClusters": [database("more", "docdb"), database("other", "aurora-mysql")]},
            ),
        ],
    )
    assert [(r.kind, r.id) for r in clusters] == [("docdb-cluster", "documents"), ("docdb-cluster", "more")]
    instances = read(
        "docdb-instance",
        [
            Call("describe_db_instances", only, {"DBInstances": [instance("one")], "Marker": "m"}),
            Call("describe_db_instances", {**only, "Marker": "m"}, {"DBInstances": [instance("two")]}),
        ],
    )
    assert [(r.kind, r.id, r.links) for r in instances] == [
        ("docdb-instance", "one", {"docdb-cluster": ("documents",)}),
        ("docdb-instance", "two", {"docdb-cluster": ("documents",)}),
    ]
    assert all(r.tags == fleet.TAGS for r in instances)


def test_a_failover_does_not_change_what_is_written() -> None:
    before, after = (
        read(
            "rds-cluster",
            [
                Call(
                    "describe_db_clusters",
                    {"MaxRecords": 100},
                    {"DBClusters": [database("one", "aurora-mysql", DBClusterMembers=members)]},
                )
            ],
        )
        for members in (
            [member("a", True), member("b", False)],
            [member("b", True), member("a", False)],
        )
    )
    assert before == after


def replication_group(name: str, status: str) -> dict[str, Any]:
    shard = {"PrimaryEndpoint": {"Address": f"{name}.primary", "Port": 6379}}
    return {
        "ReplicationGroupId": name,
        "Status": status,
        "ARN": arn(f"elasticache:{{at}}:replicationgroup:{name}"),
        "MemberClusters": [f"{name}-002", f"{name}-001"],
        "NodeGroups": [shard],
        "AutomaticFailover": "enabled",
    }


def test_replication_groups_know_their_clusters_and_one_that_is_made_does_not_spoil_the_others() -> None:
    def page(*groups: tuple[str, str], **more: str) -> dict[str, Any]:
        return {"ReplicationGroups": [replication_group(*group) for group in groups], **more}

    def tags(name: str, **more: Any) -> Call:
        resource = {"ResourceName": arn(f"elasticache:{{at}}:replicationgroup:{name}")}
        return Call("list_tags_for_resource", resource, **more)

    size = {"MaxRecords": 100}
    calls = [
        Call("describe_replication_groups", size, page(("new", "creating"), Marker="m")),
        Call("describe_replication_groups", {**size, "Marker": "m"}, page(("old", "available"))),
        tags("new", error="InvalidReplicationGroupState"),
        tags("old", answer={"TagList": fleet.PAIRS}),
    ]
    (found,) = read("elasticache-replication-group", calls)
    assert found.links == {"elasticache-cluster": ("old-001", "old-002")}
    assert found.addresses == ("old.primary",)
    assert found.tags == fleet.TAGS
    settled = [
        Call("describe_replication_groups", size, page(("old", "available"))),
        tags("old", error="InvalidReplicationGroupState"),
    ]
    with pytest.raises(CallError, match="InvalidReplicationGroupState"):
        read("elasticache-replication-group", settled)


def test_memory_clusters_are_read_over_all_pages() -> None:
    def page(name: str, status: str, **more: str) -> dict[str, Any]:
        identity = {"Name": name, "ARN": arn(f"memorydb:{{at}}:cluster/{name}"), "Status": status}
        return {"Clusters": [{**identity, "AvailabilityMode": "multiaz"}], **more}

    def tags(name: str) -> Call:
        return Call("list_tags", {"ResourceArn": arn(f"memorydb:{{at}}:cluster/{name}")}, {"TagList": []})

    found = read(
        "memorydb-cluster",
        [
            Call("describe_clusters", {}, page("one", "Available", NextToken="n")),
            Call("describe_clusters", {"NextToken": "n"}, page("two", "deleting")),
            tags("one"),
            tags("two"),
        ],
    )
    assert [(r.id, r.state, r.lifecycle) for r in found] == [
        ("one", "available", Lifecycle.IN_SERVICE),
        ("two", "deleting", Lifecycle.LEAVING),
    ]
    assert found[0].attributes["multi_az"] is True


def test_warehouses_are_read_over_all_pages() -> None:
    def page(name: str, status: str, **more: str) -> dict[str, Any]:
        secret = {"PendingModifiedValues": {"MasterUserPassword": "hunter2"}, "ClusterPublicKey": "hunter2"}
        return {"Clusters": [{"ClusterIdentifier": name, "ClusterStatus": status, **secret}], **more}

    size = {"MaxRecords": 100}
    found = read(
        "redshift-cluster",
        [
            Call("describe_clusters", size, page("one", "available, prep-for-resize", Marker="m")),
            Call("describe_clusters", {**size, "Marker": "m"}, page("two", "paused")),
        ],
    )
    assert [(r.id, r.lifecycle) for r in found] == [
        ("one", Lifecycle.IN_SERVICE),
        ("two", Lifecycle.STOPPED),
    ]
    assert b"hunter2" not in to_bytes(Snapshot((), tuple(found)))


def domain(name: str, **more: Any) -> dict[str, Any]:
    identity = {"DomainId": f"{ACCOUNT}/{name}", "DomainName": name, "ARN": arn(f"es:{{at}}:domain/{name}")}
    return {**identity, "ClusterConfig": {}, "Created": True, **more}


def test_domains_are_described_five_at_a_time_and_say_whether_they_come_or_go() -> None:
    names = [f"dom{n}" for n in range(6)]
    described = [
        domain("dom0", Created=False),
        domain("dom1", Deleted=True, DomainProcessingStatus="Active"),
        domain("dom2", DomainProcessingStatus="Isolated"),
        domain("dom3", Endpoints={"vpc": "v"}, EngineVersion="Elasticsearch_7.10"),
        # dom4 was deleted since it was listed
    ]
    found = read(
        "opensearch-domain",
        [
            Call("list_domain_names", {}, {"DomainNames": [{"DomainName": name} for name in names]}),
            Call("describe_domains", {"DomainNames": names[:5]}, {"DomainStatusList": described}),
            Call("describe_domains", {"DomainNames": names[5:]}, {"DomainStatusList": [domain("dom5")]}),
            *(
                Call("list_tags", {"ARN": arn(f"es:{{at}}:domain/dom{n}")}, {"TagList": fleet.PAIRS})
                for n in (0, 1, 2, 3)
            ),
            Call("list_tags", {"ARN": arn("es:{at}:domain/dom5")}, error="ResourceNotFoundException"),
        ],
    )
    assert [(r.id, r.lifecycle) for r in found] == [
        ("dom0", Lifecycle.STARTING),
        ("dom1", Lifecycle.LEAVING),
        ("dom2", Lifecycle.STOPPED),
        ("dom3", Lifecycle.IN_SERVICE),
    ]
    assert found[3].addresses == ("v",)
    assert found[3].attributes["engine"] == "elasticsearch"


def test_the_size_of_a_file_system_is_not_written() -> None:
    def answer(size: int) -> dict[str, Any]:
        identity = {"OwnerId": ACCOUNT, "CreationToken": "t", "FileSystemId": "fs-1", "CreationTime": MADE}
        state = {"LifeCycleState": "available", "NumberOfMountTargets": 2, "PerformanceMode": "maxIO"}
        return {**identity, **state, "SizeInBytes": {"Value": size, "Timestamp": NOW}, "Tags": []}

    def files(size: int, state: str = "available") -> list[Resource]:
        found = {**answer(size), "LifeCycleState": state}
        return read(
            "efs-file-system", [Call("describe_file_systems", {"MaxItems": 100}, {"FileSystems": [found]})]
        )

    assert files(1) == files(2)
    assert files(1)[0].arn == arn("elasticfilesystem:{at}:file-system/fs-1")
    assert files(1, "deleted") == []


def test_file_systems_that_fail_are_watched_on() -> None:
    def page(name: str, state: str, **more: str) -> dict[str, Any]:
        found = {"FileSystemId": name, "FileSystemType": "ONTAP", "Lifecycle": state}
        secret = {"OntapConfiguration": {"FsxAdminPassword": "hunter2hunter2"}}
        return {"FileSystems": [{**found, **secret, "ResourceARN": arn(f"fsx:{{at}}:x/{name}")}], **more}

    size = {"MaxResults": 1000}
    found = read(
        "fsx-file-system",
        [
            Call("describe_file_systems", size, page("fs-00000001", "MISCONFIGURED", NextToken="n")),
            Call("describe_file_systems", {**size, "NextToken": "n"}, page("fs-00000002", "DELETING")),
        ],
    )
    assert [(r.id, r.lifecycle) for r in found] == [
        ("fs-00000001", Lifecycle.IN_SERVICE),
        ("fs-00000002", Lifecycle.LEAVING),
    ]
    assert b"hunter2" not in to_bytes(Snapshot((), tuple(found)))


def test_vaults_are_read_over_all_pages_with_all_pages_of_their_tags() -> None:
    def vault(name: str, points: int) -> dict[str, Any]:
        identity = {"BackupVaultName": name, "BackupVaultArn": arn(f"backup:{{at}}:backup-vault:{name}")}
        return {**identity, "NumberOfRecoveryPoints": points, "Locked": True, "CreationDate": MADE}

    def vaults(points: int) -> list[Resource]:
        size = {"MaxResults": 1000}
        one, two = ({"ResourceArn": arn(f"backup:{{at}}:backup-vault:{name}")} for name in ("one", "two"))
        calls = [
            Call("list_backup_vaults", size, {"BackupVaultList": [vault("one", points)], "NextToken": "n"}),
            Call(
                "list_backup_vaults",
                {**size, "NextToken": "n"},
                {"BackupVaultList": [vault("two", points)]},
            ),
            Call("list_tags", one, {"Tags": {"service": "shop"}, "NextToken": "t"}),
            Call("list_tags", {**one, "NextToken": "t"}, {"Tags": {"environment": "prod"}}),
            Call("list_tags", two, error="ResourceNotFoundException"),
        ]
        return read("backup-vault", calls)

    (found,) = vaults(1)
    assert found.tags == fleet.TAGS
    assert found.attributes == {"type": "backup-vault", "locked": True}
    assert vaults(2) == [found]
    assert found.region == PLACE.region
