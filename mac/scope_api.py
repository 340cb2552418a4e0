"""The calls of one scope: a kind in a region of an account, as `mac.kinds.kind.Api` has them."""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, wait
from contextlib import contextmanager
from typing import Any

from botocore import xform_name
from botocore.paginate import Paginator

from mac import answers
from mac.acting import acting, acting_as
from mac.answers import FAILURES, CallError, Cause, explain
from mac.aws import Access, Aws
from mac.kinds.kind import Answer, Gone, Item, Kind, Raw


@contextmanager
def opened(
    aws: Aws, access: Access, kind: Kind, region: str, pool: Executor, *, until: float = float("inf")
) -> Iterator[ScopeApi]:
    """The calls of one scope, to be made by the thread that opened it. `pool` is for `each` alone.

    `until`: when the scope's time is over, in monotonic seconds.
    """
    with acting_as(access.credentials, access.budget, until):
        yield ScopeApi(aws, kind, region, pool)


class ScopeApi:
    """The calls that a kind may make: see `mac.kinds.kind.Api`."""

    def __init__(self, aws: Aws, kind: Kind, region: str, pool: Executor) -> None:
        self._aws, self._kind, self._region, self._pool = aws, kind, region, pool
        self.paged = False  # a list had more than one page, so that items may have moved between them
        self.doubtful = False  # a page before the last had no items

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
        blank = first = True
        while True:
            with self._translated(operation, gone):
                page = next(pages, None)
            if page is None:
                return
            if not first:
                self.paged = True
                self.doubtful = self.doubtful or blank
            items = _under(page, key)
            if items is None:
                if self._always_tells(operation, key):
                    raise CallError(f"{operation}: an answer without {key}", cause=Cause.MALFORMED)
                # Some services leave out an empty list, and an answer of nobody has none either.
                items, self.paged = (), True
            first, blank = False, not items
            if more and page.get(more) and not items:
                raise CallError(f"{operation}: an empty page says that there are more")
            yield from items

    def _always_tells(self, operation: str, key: str) -> bool:
        """Whether AWS sends the list when it is empty as well: by the service's model, or as was seen."""
        service = self._client(operation).meta.service_model
        required = service.operation_model(operation).output_shape.required_members
        return key in required or service.service_name in answers.TELLING

    def _paginator(self, operation: str, key: str) -> Any:
        client, paging = self._client(operation), self._kind.paging.get(operation)
        if paging is None:
            declared: Any = self._aws.paging(self._kind.service, operation)
        else:
            declared = {"input_token": paging.token, "output_token": paging.next, "result_key": key}
            declared |= {"limit_key": paging.limit} if paging.limit else {}
            declared |= {"more_results": paging.more} if paging.more else {}
        model = client.meta.service_model.operation_model(operation)
        # Not the client's own `get_paginator`: it makes a class, with a documentation, for every list.
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

        # Each task has its own copy of the context, and so the account of this scope. Only so many wait at a
        # time that other scopes get their turn, and one by one while the account is throttled.
        waiting: deque[Future[tuple[Answer, ...]]] = deque()
        budget = acting.get().budget
        try:
            for item in items:
                waiting.append(self._pool.submit(contextvars.copy_context().run, ask, item))
                while len(waiting) >= (1 if budget.throttled else self._aws.window):
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            # What cannot be called back is waited for: nothing of a scope is under way when it has ended.
            wait([future for future in waiting if not future.cancel()])

    def _client(self, operation: str, region: str = "") -> Any:
        if operation not in self._kind.calls:
            raise RuntimeError(f"the kind {self._kind.name} does not declare its call {operation}")
        return self._aws.client(self._kind.service, region or self._region)

    @contextmanager
    def _translated(self, operation: str, gone: tuple[str, ...]) -> Iterator[None]:
        try:
            yield
        except FAILURES as error:
            found = explain(error, operation)
            if found.code and found.code in gone:
                raise Gone from error
            raise found from error


def _under(page: Raw, key: str) -> Any:
    """The items of a page, None where it has no list; `outer.inner` where a service wraps its list."""
    found: Any = page
    for part in key.split("."):
        found = (found or {}).get(part)
    return found
