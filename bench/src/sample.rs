//! What every process has used up to a moment; two of them bound a window.

use std::process;

use anyhow::Result;

use crate::{
    bed::Bed,
    clock::Moment,
    postgres::Database,
    usage::{MachineCpu, cpu_micros},
};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) at: Moment,
    pub(crate) service: u64,
    pub(crate) receiver: u64,
    pub(crate) publisher: u64,
    pub(crate) postgres: Option<u64>,
    ourselves: u64,
    pub(crate) machine: MachineCpu,
    pub(crate) log_position: Option<u64>,
}

impl Sample {
    pub(crate) async fn take(bed: &Bed, service: u32, publisher: u32) -> Result<Self> {
        let database = bed.store.postgres();
        let log_position = match database {
            Some(database) => Some(database.log_position().await?),
            None => None,
        };
        Ok(Self {
            at: Moment::now(),
            service: cpu_micros(service)?,
            receiver: cpu_micros(bed.receiver.pid())?,
            publisher: cpu_micros(publisher)?,
            postgres: database.map(Database::cpu_micros).transpose()?.flatten(),
            ourselves: cpu_micros(process::id())?,
            machine: MachineCpu::now()?,
            log_position,
        })
    }

    /// CPU time since `earlier` of processes that are no part of the test.
    pub(crate) fn strangers_since(&self, earlier: &Self) -> u64 {
        let machine = self.machine.processes - earlier.machine.processes;
        machine.saturating_sub(self.known() - earlier.known())
    }

    fn known(&self) -> u64 {
        self.service + self.receiver + self.publisher + self.ourselves + self.postgres.unwrap_or_default()
    }
}
