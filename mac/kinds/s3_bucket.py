"""S3 buckets. The list is one for the account; each bucket lies in a region."""

from __future__ import annotations

from collections.abc import Iterator

from mac.kinds.kind import Api, Dimensions, Kind, Place, Raw, tag_map, timestamp
from mac.model import Resource

NAME = "s3-bucket"

# How S3 spells two of its oldest regions where it tells a bucket's location.
_OLD_NAMES = {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}


def fetch(api: Api, place: Place) -> Iterator[Raw]:
    """The buckets in the regions of the inventory."""

    def describe(bucket: Raw) -> Raw | None:
        name = bucket["Name"]
        region = bucket.get("BucketRegion")
        if not region:
            location = api.call("GetBucketLocation", gone=("NoSuchBucket",), Bucket=name)
            region = location.get("LocationConstraint")
            region = _OLD_NAMES.get(region, region)
        if region not in place.regions:
            return None
        tagging = api.call(
            "GetBucketTagging",
            gone=("NoSuchBucket",),
            empty=("NoSuchTagSet", "NoSuchTagSetError"),
            region=region,
            Bucket=name,
        )
        return {**bucket, "Region": region, "Tags": tagging.get("TagSet")}

    listed = api.pages("ListBuckets", "Buckets", size=1000)
    yield from (bucket for bucket in api.each(describe, listed) if bucket is not None)


def transform(place: Place, raw: Raw) -> Resource:
    return Resource(
        arn=f"arn:{place.partition}:s3:::{raw['Name']}",
        kind=NAME,
        account=place.account,
        region=raw["Region"],
        id=raw["Name"],
        name=raw["Name"],
        tags=tag_map(raw["Tags"]),
        launched=timestamp(raw.get("CreationDate")),
    )


def dimensions(resource: Resource) -> Dimensions:
    """Of the request metrics; the daily storage metrics have a StorageType beside."""
    return (("BucketName", resource.id),)


KIND = Kind(
    name=NAME,
    title="S3 bucket",
    service="s3",
    calls={
        "ListBuckets": "s3:ListAllMyBuckets",
        "GetBucketLocation": "s3:GetBucketLocation",
        "GetBucketTagging": "s3:GetBucketTagging",
    },
    fetch=fetch,
    transform=transform,
    global_=True,
    namespaces=("AWS/S3",),
    dimensions=dimensions,
)
