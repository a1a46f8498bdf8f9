//! Round robin over tenants, and over the webhooks of each tenant.

use std::collections::{HashMap, VecDeque};

use hookwright_store::{TenantId, WebhookId};

/// Webhooks that have something to start, in the order of their turns. A tenant with a thousand of them gets no more turns
/// than one with a single one.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    tenants: VecDeque<TenantId>,
    webhooks: HashMap<TenantId, VecDeque<WebhookId>>,
    len: usize,
}

impl Turns {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// A webhook is to be in here once at a time.
    pub(crate) fn push(&mut self, tenant: TenantId, webhook: WebhookId) {
        let webhooks = self.webhooks.entry(tenant).or_default();
        if webhooks.is_empty() {
            self.tenants.push_back(tenant);
        }
        webhooks.push_back(webhook);
        self.len += 1;
    }

    pub(crate) fn pop(&mut self) -> Option<(TenantId, WebhookId)> {
        let tenant = self.tenants.pop_front()?;
        // Every tenant in the ring has a webhook in its own.
        let webhooks = self.webhooks.get_mut(&tenant)?;
        let webhook = webhooks.pop_front()?;
        if !webhooks.is_empty() {
            self.tenants.push_back(tenant);
        }
        self.len -= 1;
        Some((tenant, webhook))
    }

    /// Forgets tenants that have nothing to start. Their empty rings are kept until then: most come back at once.
    pub(crate) fn sweep(&mut self) {
        self.webhooks.retain(|_, webhooks| !webhooks.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use hookwright_store::{Clock, Store, StoreAddress};

    use super::*;

    #[tokio::test]
    async fn tenants_take_turns_whatever_the_number_of_their_webhooks() {
        let dir = tempfile::tempdir().unwrap();
        let address = StoreAddress::Sqlite(dir.path().join("hookwright.db"));
        let store = Store::open(&address, Clock::system()).await.unwrap();
        let (large, small) = (TenantId::DEFAULT, store.tenant("small").await.unwrap());
        let ids = crate::engine::tests::webhook_ids(&store, 5).await;

        let mut turns = Turns::default();
        for webhook in &ids[..4] {
            turns.push(large, *webhook);
        }
        turns.push(small, ids[4]);
        assert_eq!(turns.len(), 5);
        let mut order = Vec::new();
        for _ in 0..8 {
            let (tenant, webhook) = turns.pop().unwrap();
            order.push(ids.iter().position(|id| *id == webhook).unwrap());
            turns.push(tenant, webhook);
            turns.sweep();
        }
        assert_eq!(order, [0, 4, 1, 4, 2, 4, 3, 4]);
    }
}
