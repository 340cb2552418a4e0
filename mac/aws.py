"""AWS: credentials, clients, calls, and what a failing call means. The only module that knows boto3.

A client costs a megabyte and ten milliseconds, so there is one for each service and region, shared by all
accounts: it signs a request with the credentials of the account that the thread is acting for.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import boto3
import botocore.exceptions as failures
from botocore import xform_name
from botocore.config import Config
from botocore.credentials import (
    CredentialProvider,
    CredentialResolver,
    Credentials,
    DeferredRefreshableCredentials,
    ReadOnlyCredentials,
)
from botocore.paginate import Paginator
from botocore.parsers import ResponseParserError
from botocore.session import Session as CoreSession

from mac import answers
from mac.answers import CallError
from mac.kinds.kind import Answer, Gone, Item, Kind, Raw
from mac.model import Account, ScopeState

SESSION_NAME = "mac"
"""The role session's name: what CloudTrail shows as the caller."""

ROLE_CALL, IDENTITY_CALL, REGIONS_CALL = "AssumeRole", "GetCallerIdentity", "DescribeRegions"


@dataclass(frozen=True, slots=True)
class Limits:
    """Time-outs in seconds, attempts at one call, and an upper bound for every page (0: the kind's own)."""

    connect_timeout: float = 5
    read_timeout: float = 30
    attempts: int = 5
    page_size: int = 0


def explain(error: Exception, operation: str) -> CallError:
    """What a failure of boto3 means. The reason reads the same each time the same thing happens."""
    if isinstance(error, CallError):
        return error
    if isinstance(error, failures.ClientError):
        told = error.response.get("Error", {})
        return answers.meaning(error.operation_name, told.get("Code", ""), told.get("Message", ""))
    if isinstance(error, failures.ReadTimeoutError | failures.ConnectTimeoutError):
        return CallError(f"{operation}: timed out")
    if isinstance(error, failures.NoCredentialsError | failures.PartialCredentialsError):
        return CallError("no AWS credentials were found")
    if isinstance(error, ResponseParserError):
        return CallError(f"{operation}: the answer cannot be read: {answers.words(error)}")
    doubt = isinstance(error, failures.EndpointConnectionError)
    return CallError(f"{operation}: {answers.words(error)}", region_in_doubt=doubt)


@dataclass(frozen=True, slots=True)
class Access:
    """An account that was entered: its identity is proven."""

    account: str
    partition: str
    credentials: Credentials


_acting: ContextVar[Credentials] = ContextVar("mac_credentials")


class _ActingCredentials(Credentials):
    """The credentials of whoever the current thread is acting for; botocore asks when it signs."""

    def __init__(self) -> None:
        super().__init__("", "", method="mac")

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        return _acting.get().get_frozen_credentials()


class _ActingProvider(CredentialProvider):
    METHOD = "mac"

    def load(self) -> Credentials:
        return _ActingCredentials()


@contextmanager
def _acting_as(credentials: Credentials) -> Iterator[None]:
    token = _acting.set(credentials)
    try:
        yield
    finally:
        _acting.reset(token)


class Aws:
    """Shared clients, and the way into accounts. All methods may be called from several threads."""

    def __init__(self, limits: Limits = Limits(), threads: int = 16) -> None:
        self.limits = limits
        self._config = Config(
            connect_timeout=limits.connect_timeout,
            read_timeout=limits.read_timeout,
            # Not adaptive: one throttled account would slow down every other that shares the client.
            retries={"mode": "standard", "total_max_attempts": limits.attempts},
            max_pool_connections=2 * threads,
            account_id_endpoint_mode="disabled",  # a shared client must not keep one account's host
        )
        core = CoreSession()
        core.register_component("credential_provider", CredentialResolver([_ActingProvider()]))
        core.register("before-parse", _check_answer)
        core.register("before-send", self._refuse_when_stopped)
        self._core = core
        self._session: boto3.Session | None = None
        self._ambient: Credentials | None = None
        self._clients: dict[tuple[str, str], Any] = {}
        self._regions: dict[str, Mapping[str, str]] = {}
        self._lock = threading.RLock()
        self._stopped = threading.Event()

    def stop(self) -> None:
        """From now on every call fails at once, so that threads end that nobody waits for any more."""
        self._stopped.set()

    def _refuse_when_stopped(self, **_: Any) -> None:
        if self._stopped.is_set():
            raise CallError("interrupted")

    @property
    def events(self) -> Any:
        """botocore's event hooks, for whoever wants to watch the calls; clients made later have them."""
        return self._core.get_component("event_emitter")

    def client(self, service: str, region: str) -> Any:
        # Making clients from one session is not safe in several threads.
        with self._lock:
            if self._session is None:
                self._session = boto3.Session(botocore_session=self._core)
            key = (service, region)
            if key not in self._clients:
                self._clients[key] = self._session.client(
                    service,
                    region_name=region,
                    config=self._config,
                )
            return self._clients[key]

    def enter(self, account: Account, region: str) -> Access:
        """The way into an account, by its role or with the ambient credentials.

        Raises CallError, also when the credentials turn out to be another account's.
        """
        try:
            credentials = self._ambient_credentials()
            if account.role_arn:
                credentials = DeferredRefreshableCredentials(
                    refresh_using=lambda: self._assume(account, region), method="assume-role"
                )
            with _acting_as(credentials):
                caller = self.client("sts", region).get_caller_identity()
                partition = self._core.get_partition_for_region(region)
        except (failures.BotoCoreError, failures.ClientError, ResponseParserError) as error:
            raise explain(error, IDENTITY_CALL) from error
        if caller["Account"] != account.id:
            way = f"the role {account.role_arn}" if account.role_arn else "the ambient credentials"
            raise CallError(f"{way} lead to account {caller['Account']}, not to {account.id}")
        return Access(account.id, partition, credentials)

    def _ambient_credentials(self) -> Credentials:
        with self._lock:
            if self._ambient is None:
                self._ambient = boto3.Session().get_credentials()
        if self._ambient is None:
            raise failures.NoCredentialsError()
        return self._ambient

    def _assume(self, account: Account, region: str) -> dict[str, str]:
        """New credentials of the role; called again, while a request is signed, when they expire."""
        optional = {"ExternalId": account.external_id} if account.external_id else {}
        with _acting_as(self._ambient_credentials()):
            answer = self.client("sts", region).assume_role(
                RoleArn=account.role_arn, RoleSessionName=SESSION_NAME, **optional
            )
        issued = answer["Credentials"]
        return {
            "access_key": issued["AccessKeyId"],
            "secret_key": issued["SecretAccessKey"],
            "token": issued["SessionToken"],
            "expiry_time": issued["Expiration"].isoformat(),
        }

    def judge_region(self, access: Access, region: str, error: CallError) -> CallError:
        """The error again, or that the region is disabled if AWS says so itself."""
        with self._lock:
            known = self._regions.get(access.account)
        if known is None:
            main = {"aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}.get(access.partition, "us-east-1")
            try:
                with _acting_as(access.credentials):
                    answer = self.client("ec2", main).describe_regions(AllRegions=True)
            except (failures.BotoCoreError, failures.ClientError, ResponseParserError):
                return error
            known = {r["RegionName"]: r.get("OptInStatus", "") for r in answer["Regions"]}
            with self._lock:
                self._regions[access.account] = known
        if region not in known:
            return CallError(f"AWS knows no region {region} ({error.reason})", error.state, error.code)
        if known[region] == "not-opted-in":
            return CallError("the account has not enabled this region", ScopeState.DISABLED, error.code)
        return error

    @contextmanager
    def scope(self, access: Access, kind: Kind, region: str, pool: Executor) -> Iterator[ScopeApi]:
        """The calls of one scope, to be made by the thread that opened it. `pool` is for `each` alone."""
        with _acting_as(access.credentials):
            yield ScopeApi(self, kind, region, pool)


class ScopeApi:
    """The calls that a kind may make: see `mac.kinds.kind.Api`."""

    def __init__(self, aws: Aws, kind: Kind, region: str, pool: Executor) -> None:
        self._aws, self._kind, self._region, self._pool = aws, kind, region, pool

    def pages(
        self, operation: str, key: str, size: int = 0, gone: tuple[str, ...] = (), **parameters: Any
    ) -> Iterator[Any]:
        paging = {}
        if size:
            paging = {"PageSize": min(size, self._aws.limits.page_size or size)}
        with self._translated(operation, gone):
            pages = iter(self._paginator(operation, key).paginate(**parameters, PaginationConfig=paging))
        declared = self._kind.paging.get(operation)
        more = declared.more if declared else ""
        while True:
            with self._translated(operation, gone):
                page = next(pages, None)
            if page is None:
                return
            items = page.get(key) or ()
            if more and page.get(more) and not items:
                raise CallError(f"{operation}: an empty page says that there are more")
            yield from items

    def _paginator(self, operation: str, key: str) -> Any:
        client, paging = self._client(operation), self._kind.paging.get(operation)
        if paging is None:
            return client.get_paginator(xform_name(operation))
        declared = {"input_token": paging.token, "output_token": paging.next, "result_key": key}
        declared |= {"limit_key": paging.limit} if paging.limit else {}
        declared |= {"more_results": paging.more} if paging.more else {}
        model = client.meta.service_model.operation_model(operation)
        return Paginator(getattr(client, xform_name(operation)), declared, model)

    def call(
        self,
        operation: str,
        *,
        gone: tuple[str, ...] = (),
        empty: tuple[str, ...] = (),
        region: str = "",
        **parameters: Any,
    ) -> Raw:
        try:
            with self._translated(operation, gone):
                answer: Raw = getattr(self._client(operation, region), xform_name(operation))(**parameters)
                return answer
        except CallError as error:
            if error.code in empty:
                return {}
            raise

    def each(self, function: Callable[[Item], Answer], items: Iterable[Item]) -> Iterator[Answer]:
        def ask(item: Item) -> tuple[Answer, ...]:
            try:
                return (function(item),)
            except Gone:
                return ()

        # Each task has its own copy of the context, and so the account of this scope.
        futures = [self._pool.submit(contextvars.copy_context().run, ask, item) for item in items]
        try:
            for future in futures:
                yield from future.result()
        finally:
            for future in futures:
                future.cancel()

    def _client(self, operation: str, region: str = "") -> Any:
        if operation not in self._kind.calls:
            raise RuntimeError(f"the kind {self._kind.name} does not declare its call {operation}")
        return self._aws.client(self._kind.service, region or self._region)

    @contextmanager
    def _translated(self, operation: str, gone: tuple[str, ...]) -> Iterator[None]:
        try:
            yield
        except (failures.BotoCoreError, failures.ClientError, ResponseParserError) as error:
            found = explain(error, operation)
            if found.code and found.code in gone:
                raise Gone from error
            raise found from error


def _check_answer(**event: Any) -> None:
    """Fails a successful answer that botocore would take for an empty one."""
    model, answer = event["operation_model"], event["response_dict"]
    body = answer.get("body")
    if answer["status_code"] < 300 and isinstance(body, bytes):
        fault = answers.fault(model.name, "json" in model.service_model.resolved_protocol, body)
        if fault:
            raise ResponseParserError(fault)


def role_clients(role_arn: str, endpoint_url: str) -> Callable[[str, str], Any]:
    """Makes clients (of a service, in a region) at `endpoint_url` that act by an assumed role.

    For building an embedded AWS, with made-up credentials. What reads a real one goes through `Aws`.
    """
    config = Config(read_timeout=300, retries={"total_max_attempts": 1}, proxies={})
    session = boto3.Session(aws_access_key_id="embedded", aws_secret_access_key="embedded")  # noqa: S106
    sts = session.client("sts", region_name="us-east-1", endpoint_url=endpoint_url, config=config)
    issued = sts.assume_role(RoleArn=role_arn, RoleSessionName=SESSION_NAME)["Credentials"]

    def client(service: str, region: str) -> Any:
        return session.client(
            service,
            region_name=region,
            endpoint_url=endpoint_url,
            config=config,
            aws_access_key_id=issued["AccessKeyId"],
            aws_secret_access_key=issued["SecretAccessKey"],
            aws_session_token=issued["SessionToken"],
        )

    return client
