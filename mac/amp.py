"""A workspace of Amazon Managed Service for Prometheus: rule groups namespaces, Alertmanager definition.

What is changed there is taken up after a while: a status says how far it is, and whether it was refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mac.acting import acting_as
from mac.answers import FAILURES, CallError, explain
from mac.aws import Aws
from mac.model import Via
from mac.problems import AwsError


@dataclass(frozen=True, slots=True)
class Definition:
    """What is kept there. `status`: CREATING, ACTIVE, UPDATING, DELETING, CREATION_FAILED, UPDATE_FAILED."""

    data: bytes
    status: str
    reason: str = ""

    @property
    def is_active(self) -> bool:
        return self.status == "ACTIVE"

    @property
    def has_failed(self) -> bool:
        return self.status.endswith("_FAILED")


class Workspace:
    """Every method raises AwsError."""

    def __init__(
        self,
        workspace: str,
        region: str,
        role_arn: str = "",
        aws: Aws | None = None,
        *,
        external_id: str = "",
    ) -> None:
        self.workspace, self.region = workspace, region
        self._via = Via(role_arn, external_id) if role_arn else None
        self._aws = aws or Aws()

    def namespaces(self) -> Mapping[str, Mapping[str, str]]:
        """Name → tags of every rule groups namespace."""
        with self._calling("ListRuleGroupsNamespaces") as client:
            pages = client.get_paginator("list_rule_groups_namespaces").paginate(workspaceId=self.workspace)
            return {
                each["name"]: each.get("tags") or {}
                for page in pages
                for each in page["ruleGroupsNamespaces"]
            }

    def rules(self, name: str) -> Definition | None:
        """The rule file of a namespace; None when there is none."""
        with self._calling("DescribeRuleGroupsNamespace") as client:
            try:
                answer = client.describe_rule_groups_namespace(workspaceId=self.workspace, name=name)
            except client.exceptions.ResourceNotFoundException:
                return None
        return _definition(answer["ruleGroupsNamespace"])

    def create_rules(self, name: str, data: bytes, tags: Mapping[str, str]) -> None:
        with self._calling("CreateRuleGroupsNamespace") as client:
            client.create_rule_groups_namespace(
                workspaceId=self.workspace, name=name, data=data, tags=dict(tags)
            )

    def put_rules(self, name: str, data: bytes) -> None:
        with self._calling("PutRuleGroupsNamespace") as client:
            client.put_rule_groups_namespace(workspaceId=self.workspace, name=name, data=data)

    def delete_rules(self, name: str) -> None:
        with self._calling("DeleteRuleGroupsNamespace") as client:
            try:
                client.delete_rule_groups_namespace(workspaceId=self.workspace, name=name)
            except client.exceptions.ResourceNotFoundException:
                return

    def alertmanager(self) -> Definition | None:
        """The Alertmanager definition; None when there is none."""
        with self._calling("DescribeAlertManagerDefinition") as client:
            try:
                answer = client.describe_alert_manager_definition(workspaceId=self.workspace)
            except client.exceptions.ResourceNotFoundException:
                return None
        return _definition(answer["alertManagerDefinition"])

    def create_alertmanager(self, data: bytes) -> None:
        with self._calling("CreateAlertManagerDefinition") as client:
            client.create_alert_manager_definition(workspaceId=self.workspace, data=data)

    def put_alertmanager(self, data: bytes) -> None:
        with self._calling("PutAlertManagerDefinition") as client:
            client.put_alert_manager_definition(workspaceId=self.workspace, data=data)

    def delete_alertmanager(self) -> None:
        with self._calling("DeleteAlertManagerDefinition") as client:
            try:
                client.delete_alert_manager_definition(workspaceId=self.workspace)
            except client.exceptions.ResourceNotFoundException:
                return

    @contextmanager
    def _calling(self, operation: str) -> Iterator[Any]:
        try:
            access = self._aws.hub(self.region, self._via)
            with acting_as(access.credentials, access.budget):
                yield self._aws.client("amp", self.region)
        except (CallError, *FAILURES) as error:
            known = explain(error, operation)
            raise AwsError(f"the workspace {self.workspace}: {known.reason}") from error


def _definition(raw: Mapping[str, Any]) -> Definition:
    data, status = raw["data"], raw["status"]
    return Definition(bytes(data), status["statusCode"], status.get("statusReason", ""))
