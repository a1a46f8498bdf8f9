//! How the places for attempts are shared: whoever holds many gets no more of the last ones.

use std::collections::HashMap;

use hookwright_store::TenantId;

use super::Class;

/// The node's places for attempts.
///
/// Attempts that hang cannot be taken back, so turns alone are not fair: webhooks that hang would hold every place after a
/// while. An eighth is out of reach for first attempts, another one for the rest. Of what is in reach, a webhook gets one of
/// the last places (as many as a quarter of all) only while it holds at most a sixteenth of what is left, and a tenant one
/// of the very last (a sixteenth of all) only while it holds at most half of what is left. So however many hang, there is
/// a place for a tenant that holds none, and for a webhook that holds none unless hundreds of its tenant hang.
#[derive(Debug)]
pub(crate) struct Places {
    total: usize,
    free: usize,
    by_class: [usize; 2],
    by_tenant: HashMap<TenantId, usize>,
}

impl Places {
    pub(crate) fn new(total: usize) -> Self {
        Self {
            total,
            free: total,
            by_class: [0; 2],
            by_tenant: HashMap::new(),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.free == 0
    }

    /// Which class is to have the next place when both wait: each up to its share of those that are taken.
    pub(crate) fn preferred(&self) -> Class {
        let [fresh, stored] = self.by_class;
        if stored * 3 <= fresh {
            Class::Stored
        } else {
            Class::Fresh
        }
    }

    /// Whether a webhook that holds `held` places may have another one.
    pub(crate) fn permits(&self, class: Class, tenant: TenantId, held: usize) -> bool {
        let reach = (self.total - self.total / 8).saturating_sub(self.by_class[class as usize]);
        let left = self.free.min(reach);
        if left == 0 {
            return false;
        }
        if left > self.total / 4 {
            return true;
        }
        let tenant_holds = || self.by_tenant.get(&tenant).copied().unwrap_or(0);
        held <= left / 16 && (left > self.total / 16 || tenant_holds() <= left / 2)
    }

    pub(crate) fn take(&mut self, class: Class, tenant: TenantId) {
        self.free -= 1;
        self.by_class[class as usize] += 1;
        *self.by_tenant.entry(tenant).or_default() += 1;
    }

    pub(crate) fn give_back(&mut self, class: Class, tenant: TenantId) {
        self.free += 1;
        self.by_class[class as usize] -= 1;
        if let Some(held) = self.by_tenant.get_mut(&tenant) {
            *held -= 1;
        }
    }

    /// Forgets tenants that hold nothing.
    pub(crate) fn sweep(&mut self) {
        self.by_tenant.retain(|_, held| *held > 0);
    }
}

#[cfg(test)]
mod tests {
    use hookwright_store::{Clock, Store, StoreAddress};
    use proptest::prelude::*;

    use super::*;

    const TENANT: TenantId = TenantId::DEFAULT;

    /// Places that `hogs` webhooks of one tenant hold when each takes what it can get.
    fn after_hogs(total: usize, hogs: usize, class: Class) -> (Places, Vec<usize>) {
        let mut places = Places::new(total);
        let mut held = vec![0; hogs];
        loop {
            let mut started = false;
            for held in &mut held {
                if *held < 64 && places.permits(class, TENANT, *held) {
                    places.take(class, TENANT);
                    *held += 1;
                    started = true;
                }
            }
            if !started {
                return (places, held);
            }
        }
    }

    #[test]
    fn a_single_webhook_gets_its_whole_window() {
        let (_, held) = after_hogs(1_024, 1, Class::Fresh);
        assert_eq!(held, [64]);
        let (_, held) = after_hogs(1, 1, Class::Fresh);
        assert_eq!(held, [1]);
    }

    #[test]
    fn webhooks_that_hang_leave_dozens_of_places_to_the_others() {
        let (mut places, held) = after_hogs(1_024, 100, Class::Fresh);
        assert!(held.iter().all(|held| *held >= 7), "{held:?}");
        for held in 0..6 {
            assert!(places.permits(Class::Fresh, TENANT, held));
            places.take(Class::Fresh, TENANT);
        }
    }

    #[tokio::test]
    async fn a_tenant_that_holds_none_finds_a_place_however_many_webhooks_of_another_one_hang() {
        let dir = tempfile::tempdir().unwrap();
        let address = StoreAddress::Sqlite(dir.path().join("hookwright.db"));
        let store = Store::open(&address, Clock::system()).await.unwrap();
        let other = store.tenant("other").await.unwrap();
        for class in Class::ALL {
            let (places, _) = after_hogs(1_024, 1_000, class);
            assert!(places.permits(class, other, 0));
        }
    }

    proptest! {
        #[test]
        fn each_class_finds_a_place_however_much_of_the_other_hangs(total in 16_usize..2_000, hogs in 1_usize..300) {
            for class in Class::ALL {
                let (places, held) = after_hogs(total, hogs, class);
                prop_assert_eq!(held.iter().sum::<usize>() + places.free, total);
                prop_assert!(places.free >= total / 8);
                prop_assert!(!places.is_full());
                prop_assert!(places.permits(class.other(), TENANT, 0));
            }
        }
    }
}
