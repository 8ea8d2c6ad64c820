"""What people allowed beforehand, for turns with nobody to ask: given, found, revoked (§10).

A grant belongs to a *holder*: a job (``job:backup``), a webhook's route (``route:github``), a
surface (``surface:api``), a conversation (``session:ID``) or a person (``person:owner``). It is an
item of the durable queue ``grants`` whose one end is its revocation, so giving and revoking need no
other process's leave, and a grant that was revoked stays so.

Whoever starts a turn for a job or a route names it in the turn's `Authority` (``holder``, and the
``text`` that it was shown to do). Its grants, and those of conversation, person and surface, a
policy finds at each call (`of`), so that what was given or revoked counts at once. What was carried
along instead (`Authority.allowances`) it holds against what stands.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from hermes.errors import Conflict, StoreError
from hermes.identity import new_id, now
from hermes.session import Allowance, HeldAllowance, PersonId
from hermes.store import Enqueue, Settle, Store

QUEUE = "grants"
PREFIX = "g-"
"""Begins the id of an allowance that was given here, and so can be revoked."""


class Grants:
    """The grants of one home."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def give(
        self, holder: str, allowance: Allowance, *, by: PersonId, text: str = ""
    ) -> HeldAllowance:
        """Give *holder* what *allowance* says, as a person who may. Its id is set here.

        *text* is what the holder was shown to do (a job's prompt): changed, it has the grant no
        more. Raises ValueError for an allowance that allows nothing, or a holder without a name.
        """
        kind, colon, name = holder.partition(":")
        if not (kind and colon and name):
            raise ValueError(f"a holder is KIND:NAME, as job:backup; not {holder!r}")
        if not allowance.needs:
            raise ValueError("a grant must say what it allows (needs)")
        id = PREFIX + new_id().replace("-", "")[-10:]
        given = HeldAllowance(
            holder,
            msgspec.structs.replace(allowance, id=id),
            by,
            now(),
            _hash(text) if text else "",
        )
        await self._store.commit((Enqueue(QUEUE, id, msgspec.json.encode(given)),))
        return given

    async def all(self) -> tuple[HeldAllowance, ...]:
        """List those that stand, oldest first. What cannot be read is none."""
        found = []
        for item in await self._store.pending(QUEUE):
            try:
                given = msgspec.json.decode(item.item, type=HeldAllowance)
            except msgspec.MsgspecError:
                continue
            if given.id == item.key and not _expired(given):
                found.append(given)
        return tuple(sorted(found, key=lambda given: given.given))

    async def of(self, *holders: str, text: str = "") -> tuple[Allowance, ...]:
        """Give what *holders* may do unasked, for an `Authority`. *text* as for `give`."""
        bound = _hash(text)
        return tuple(
            given.allowance
            for given in await self.all()
            if given.holder in holders and given.bound in ("", bound)
        )

    async def stand(self, allowances: Iterable[Allowance]) -> tuple[Allowance, ...]:
        """Give those of *allowances* that were not revoked since; others' ids are not known here
        and stand as they are.
        """
        allowances = tuple(allowances)
        if not any(allowance.id.startswith(PREFIX) for allowance in allowances):
            return allowances
        known = {given.id: given.allowance for given in await self.all()}
        return tuple(
            allowance
            for allowance in allowances
            if not allowance.id.startswith(PREFIX) or known.get(allowance.id) == allowance
        )

    async def revoke(self, id: str) -> bool:
        """Take a grant back. False: there is none of that id (any more)."""
        if id not in {item.key for item in await self._store.pending(QUEUE)}:
            return False
        try:
            await self._store.commit((Settle(QUEUE, id, "revoked"),))
        except (Conflict, StoreError):
            return False
        return True


def _expired(given: HeldAllowance) -> bool:
    until = given.allowance.until
    return until is not None and now() >= until


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
