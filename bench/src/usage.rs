//! What processes have used, as `/proc` tells.

use std::{collections::HashMap, fs, io};

use anyhow::{Context as _, Result};
use serde::Serialize;

/// CPU time in microseconds, user and system together.
///
/// The kernel counts in ticks of (usually) 10 ms: over a window of ten seconds that is a thousandth.
pub(crate) fn cpu_micros(pid: u32) -> Result<u64> {
    let stat =
        fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid} is gone"))?;
    Ok(Stat::parse(&stat).context("reading /proc/PID/stat")?.own_micros())
}

/// CPU time in microseconds of a process, its children, and the children that have ended.
///
/// A child that ends moves from the living to the ended, so the sum never goes back.
pub(crate) fn family_cpu_micros(pid: u32) -> Result<u64> {
    let stat =
        fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid} is gone"))?;
    let parent = Stat::parse(&stat).context("reading /proc/PID/stat")?;
    let living: u64 = children(pid)?.iter().map(|(_, stat)| stat.own_micros()).sum();
    Ok(parent.own_micros() + parent.ended_children_micros() + living)
}

fn children(parent: u32) -> Result<Vec<(u32, Stat)>> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process may end while we look.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
            continue;
        };
        if let Some(stat) = Stat::parse(&stat)
            && stat.parent == parent
        {
            children.push((pid, stat));
        }
    }
    Ok(children)
}

/// The largest resident set that the process has had, in bytes.
pub(crate) fn peak_memory(pid: u32) -> Result<u64> {
    let status = status(pid)?;
    status.get("VmHWM").copied().context("VmHWM is missing")
}

/// The resident set of the process now, in bytes.
pub(crate) fn memory(pid: u32) -> Result<u64> {
    let status = status(pid).with_context(|| format!("process {pid} is gone"))?;
    status.get("VmRSS").copied().context("VmRSS is missing")
}

/// What of the resident set is the process's own, and not pages of files such as its program, which the system takes back
/// when it needs them.
pub(crate) fn own_memory(pid: u32) -> Result<u64> {
    let status = status(pid)?;
    status.get("RssAnon").copied().context("RssAnon is missing")
}

/// Memory of a process and its children now, in bytes: what each has for itself, and what they share once.
pub(crate) fn family_memory(pid: u32) -> Result<u64> {
    let mut private = 0;
    let mut shared = 0;
    for pid in children(pid)?.into_iter().map(|(pid, _)| pid).chain([pid]) {
        let Ok(status) = status(pid) else { continue };
        private += status.get("RssAnon").copied().unwrap_or_default();
        shared = shared.max(status.get("RssShmem").copied().unwrap_or_default());
    }
    Ok(private + shared)
}

/// The lines of `/proc/PID/status` that are given in kB, in bytes.
fn status(pid: u32) -> io::Result<HashMap<String, u64>> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let sizes = text.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        let kibibytes: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
        Some((name.to_owned(), kibibytes * 1024))
    });
    Ok(sizes.collect())
}

/// What the whole machine has done, in microseconds of all cores together.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct MachineCpu {
    /// In processes.
    pub(crate) processes: u64,
    /// In interrupts, most of it networking; charged to no process.
    pub(crate) interrupts: u64,
    /// Taken by the hypervisor.
    pub(crate) stolen: u64,
}

impl MachineCpu {
    pub(crate) fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        let line = stat.lines().next().context("/proc/stat is empty")?;
        let ticks: Vec<u64> = line
            .split_ascii_whitespace()
            .skip(1)
            .filter_map(|field| field.parse().ok())
            .collect();
        // user nice system idle iowait irq softirq steal
        let [user, nice, system, _, _, irq, softirq, steal] = ticks.get(..8).unwrap_or_default() else {
            anyhow::bail!("/proc/stat has too few fields");
        };
        Ok(Self {
            processes: micros(user + nice + system),
            interrupts: micros(irq + softirq),
            stolen: micros(*steal),
        })
    }
}

/// The fields of `/proc/PID/stat` that we use; times in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    user: u64,
    system: u64,
    children_user: u64,
    children_system: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The second field is the program's name in parentheses, which may hold anything, parentheses included.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // Numbered from 1 in proc(5); the first one after the name is number 3.
        let number = |field: usize| fields.get(field - 3)?.parse().ok();
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            user: number(14)?,
            system: number(15)?,
            children_user: number(16)?,
            children_system: number(17)?,
        })
    }

    fn own_micros(self) -> u64 {
        micros(self.user + self.system)
    }

    fn ended_children_micros(self) -> u64 {
        micros(self.children_user + self.children_system)
    }
}

fn micros(ticks: u64) -> u64 {
    ticks * 1_000_000 / rustix::param::clock_ticks_per_second()
}

#[cfg(test)]
mod tests {
    use std::process;

    use super::*;

    #[test]
    fn names_with_parentheses_do_not_shift_the_fields() {
        let text = "42 (a) R (b) S 7 42 42 0 -1 4194560 1 2 3 4 500 60 70 8 20 0 1 0 100 200 300";
        let expected = Stat {
            parent: 7,
            user: 500,
            system: 60,
            children_user: 70,
            children_system: 8,
        };
        assert_eq!(Stat::parse(text), Some(expected));
    }

    #[test]
    fn this_process_can_be_measured() {
        let pid = process::id();
        // Not compared with each other: other tests allocate between the two readings.
        assert!(peak_memory(pid).unwrap() > 100 << 10);
        assert!(memory(pid).unwrap() > 100 << 10);
        assert!(family_memory(pid).unwrap() > 100 << 10);
        let own = cpu_micros(pid).unwrap();
        assert!(family_cpu_micros(pid).unwrap() >= own);
        assert!(MachineCpu::now().unwrap().processes > 0);
    }
}
