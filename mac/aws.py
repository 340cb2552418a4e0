"""The way into AWS: credentials, clients, and when a call is made again.

A client costs a megabyte and ten milliseconds, so there is one for each service and region, shared by all
accounts: it signs a request with the credentials of the account that the thread is acting for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import boto3
import botocore
import botocore.exceptions as failures
from botocore.config import Config
from botocore.credentials import (
    CredentialResolver,
    Credentials,
    DeferredRefreshableCredentials,
)
from botocore.parsers import ResponseParserError
from botocore.session import Session as CoreSession

from mac import __version__, answers
from mac.acting import ActingProvider, acting, acting_as
from mac.answers import FAILURES, CallError, Cause, explain
from mac.model import Account, ScopeState, Via
from mac.models import model_loader
from mac.parsing import ParserFactory
from mac.regions import RegionLists
from mac.retries import Budget, delay

HUB = "organization"
"""Stands for the account from which others are entered, whose number nobody needs."""

ROLE_CALL, IDENTITY_CALL = "AssumeRole", "GetCallerIdentity"

_USER_AGENT = f"mac/{__version__} Boto3/{boto3.__version__} Botocore/{botocore.__version__}"
MAIN_REGIONS = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
_TRANSIENT = (500, 502, 503, 504)
_TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class Limits:
    """Time-outs and the first pause before a retry in seconds, attempts at one call, retries of one account
    in all, and an upper bound for every page (0: the kind's own)."""

    connect_timeout: float = 5
    read_timeout: float = 30
    attempts: int = 5
    page_size: int = 0
    pause: float = 1
    retries: int = 100


@dataclass(frozen=True, slots=True)
class Access:
    """An account that was entered: its identity is proven."""

    account: str
    partition: str
    credentials: Credentials
    budget: Budget


class Aws:
    """Shared clients, and the way into accounts. All methods may be called from several threads."""

    def __init__(self, limits: Limits = Limits(), threads: int = 16) -> None:
        self.limits = limits
        self.window = 2 * threads
        self._config = Config(
            connect_timeout=limits.connect_timeout,
            read_timeout=limits.read_timeout,
            # botocore's own retries have one quota for a client: with one account throttled, the failures
            # of every other that shares it would not be tried again. `_retry` has one an account.
            retries={"mode": "standard", "total_max_attempts": 1},
            max_pool_connections=2 * threads,
            user_agent=_USER_AGENT,  # botocore puts its own together twice for every call
            account_id_endpoint_mode="disabled",  # a shared client must not keep one account's host
        )
        core = CoreSession()
        unread: dict[str, tuple[bytes, ...]] = {}
        # Where models lie is a setting of the SDK, which may be wrong: it is said when the first is wanted.
        core.lazy_register_component("data_loader", lambda: model_loader(core, unread))
        core.register_component("response_parser_factory", ParserFactory(unread))
        core.register_component("credential_provider", CredentialResolver([ActingProvider()]))
        core.register("before-parse", _check_answer)
        core.register("before-send", self._refuse_when_over)
        core.register("needs-retry", cast(Any, self._retry))  # the stubs know no answers
        self._core = core
        self._session: boto3.Session | None = None
        self._ambient: Credentials | None = None
        self._hubs: dict[Via, Credentials] = {}
        self._clients: dict[tuple[str, str], Any] = {}
        self._regions: dict[str, Mapping[str, bool]] = {}
        self._region_lists = RegionLists()
        self._lock = threading.RLock()
        self._stopped = threading.Event()

    def stop(self) -> None:
        """From now on every call fails at once, so that threads end that nobody waits for any more."""
        self._stopped.set()

    def _refuse_when_over(self, **event: Any) -> None:
        if self._stopped.is_set():
            raise CallError("interrupted")
        if time.monotonic() > acting.get().until:
            operation = event["event_name"].rpartition(".")[2]
            reason = f"{operation}: the scope's time was over before its last page"
            raise CallError(reason, cause=Cause.TIMEOUT)

    def _retry(self, **event: Any) -> float | None:
        """Seconds to wait before the call is made again; None when it is not.

        botocore asks after every call, and waits itself.
        """
        turn, response, attempts = acting.get(), event["response"], event["attempts"]
        code = "" if response is None else response[1].get("Error", {}).get("Code", "")
        status = 0 if response is None else response[0].status_code
        throttled = answers.is_throttle(code) or status == _TOO_MANY
        passing = status in _TRANSIENT or isinstance(
            event["caught_exception"], failures.ConnectionError | failures.HTTPClientError
        )
        if not throttled and not passing:
            turn.budget.refund()
            return None
        if throttled:
            turn.budget.slow_down()
        if attempts >= self.limits.attempts or self._stopped.is_set() or not turn.budget.take():
            return None
        pause = delay(attempts, self.limits.pause)
        return pause if time.monotonic() + pause < turn.until else None

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
                made = self._session.client(service, region_name=region, config=self._config)
                host = urlsplit(made.meta.endpoint_url).hostname or ""
                if ":" in host or host.replace(".", "").isdigit():
                    made.meta.config.inject_host_prefix = False  # nothing is called api.127.0.0.1
                self._clients[key] = made
            return self._clients[key]

    def shape(self, service: str, name: str) -> Any:
        """botocore's model of a structure of a service."""
        with self._lock:
            return self._core.get_service_model(service).shape_for(name)

    def paging(self, service: str, operation: str) -> Mapping[str, Any]:
        """How botocore pages through an operation."""
        found: Mapping[str, Any] = self._core.get_paginator_model(service).get_paginator(operation)
        return found

    def enter(self, account: Account, region: str, via: Via | None = None) -> Access:
        """The way into an account: by its role, from `via` if there is one, or with the ambient credentials.

        Raises CallError, also when the credentials turn out to be another account's.
        """
        try:
            budget = Budget(self.limits.retries)
            credentials = self._ambient_credentials()
            if account.role_arn:
                own = self._hub(region, via)
                role = Via(account.role_arn, account.external_id, account.session_name)
                credentials = self._role(own, role, region)
            with acting_as(credentials, budget):
                caller = self.client("sts", region).get_caller_identity()
                partition = self._core.get_partition_for_region(region)
        except FAILURES as error:
            raise explain(error, IDENTITY_CALL) from error
        if caller["Account"] != account.id:
            way = f"the role {account.role_arn}" if account.role_arn else "the ambient credentials"
            raise CallError(f"{way} lead to account {caller['Account']}, not to {account.id}")
        return Access(account.id, partition, credentials, budget)

    def _ambient_credentials(self) -> Credentials:
        with self._lock:
            if self._ambient is None:
                self._ambient = boto3.Session().get_credentials()
        if self._ambient is None:
            raise failures.NoCredentialsError()
        return self._ambient

    def hub(self, region: str, via: Via | None) -> Access:
        """The place from which accounts are entered: the central account, or where the ambient credentials
        are. Raises CallError."""
        try:
            credentials = self._hub(region, via)
        except failures.BotoCoreError as error:
            raise explain(error, IDENTITY_CALL) from error
        return Access(
            HUB, self._core.get_partition_for_region(region), credentials, Budget(self.limits.retries)
        )

    def _hub(self, region: str, via: Via | None) -> Credentials:
        ambient = self._ambient_credentials()
        if via is None:
            return ambient
        with self._lock:
            if via not in self._hubs:
                self._hubs[via] = self._role(ambient, via, region)
            return self._hubs[via]

    def _role(self, own: Credentials, role: Via, region: str) -> Credentials:
        """Credentials of a role that `own` may take on; they are replaced when they are about to expire."""

        def assume() -> dict[str, str]:
            optional = {"ExternalId": role.external_id} if role.external_id else {}
            # Out of the budget of the account for which this is done: the thread's own.
            with acting_as(own, acting.get().budget):
                answer = self.client("sts", region).assume_role(
                    RoleArn=role.role_arn, RoleSessionName=role.session_name, **optional
                )
            issued = answer["Credentials"]
            return {
                "access_key": issued["AccessKeyId"],
                "secret_key": issued["SecretAccessKey"],
                "token": issued["SessionToken"],
                "expiry_time": issued["Expiration"].isoformat(),
            }

        return DeferredRefreshableCredentials(refresh_using=assume, method="assume-role")

    def enabled_regions(self, access: Access, region: str = "") -> tuple[str, ...]:
        """The regions that the account has enabled, sorted; `region` is asked. Raises CallError."""
        return tuple(sorted(name for name, enabled in self._opted(access, region).items() if enabled))

    def _opted(self, access: Access, region: str = "") -> Mapping[str, bool]:
        """Every region of the partition, and whether the account has enabled it. Raises CallError."""
        with self._lock:
            known = self._regions.get(access.account)
        if known is None:
            main = region or MAIN_REGIONS.get(access.partition, "us-east-1")
            known = self._region_lists.ask(self.client, main, access.credentials, access.budget)
            with self._lock:
                self._regions[access.account] = known
        return known

    def judge_region(self, access: Access, region: str, error: CallError, service: str = "") -> CallError:
        """The error again, or that the region is disabled if AWS says so itself.

        `service`: what was asked. No service is in all regions, and where it is not its name leads nowhere.
        """
        try:
            known = self._opted(access)
        except CallError:
            return error
        if region not in known:
            reason = f"AWS knows no region {region} ({error.reason})"
            return CallError(reason, error.state, error.code, cause=Cause.UNKNOWN_REGION)
        if not known[region]:
            reason = "the account has not enabled this region"
            return CallError(reason, ScopeState.DISABLED, error.code, cause=Cause.DISABLED)
        if error.cause is Cause.UNREACHABLE and service and not self._offers(service, region):
            reason = f"the SDK knows no endpoint of {service} in {region} ({error.reason})"
            return CallError(reason, error.state, error.code, cause=Cause.UNKNOWN_REGION)
        return error

    def _offers(self, service: str, region: str) -> bool:
        """Whether the service has an endpoint in the region, as far as botocore's list goes."""
        with self._lock:
            partition = self._core.get_partition_for_region(region)
            return region in self._core.get_available_regions(service, partition)


def _check_answer(**event: Any) -> None:
    """Fails a successful answer that botocore would take for an empty one, and puts an error that is not
    of the service's own form into it."""
    model, answer = event["operation_model"], event["response_dict"]
    body, protocol = answer.get("body"), model.service_model.resolved_protocol
    if not isinstance(body, bytes):
        return
    if answer["status_code"] >= 300:
        answer["body"] = answers.error_body(protocol, answer["status_code"], body)
        return
    fault = answers.fault(model.name, "json" in protocol, body)
    if fault:
        raise ResponseParserError(fault)
