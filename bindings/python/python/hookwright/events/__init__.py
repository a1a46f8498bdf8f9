"""The data of the built-in platforms' events, as types: one module per profile.

::

    from hookwright import VerifiedWebhook
    from hookwright.events.filedgr import VaultCreated

    @filedgr.on("vault.created")
    def created(event: VerifiedWebhook[VaultCreated]) -> None:
        event.data["vaultId"]

They are written by :mod:`hookwright.typegen`, which does the same for profiles of your own.
"""
