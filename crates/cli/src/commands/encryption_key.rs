//! `hookwright generate-encryption-key` and `hookwright rotate-encryption-key`.

use std::path::PathBuf;

use anstream::println;
use clap::Args;
use hookwright_store::{Clock, EncryptionKeys, Store};

use super::serve::store_address;
use crate::{
    failure::Failure,
    keys::{KeysArgs, new_id},
    terminal::{FAINT, STRONG},
};

/// Webhooks of one step; progress is told after each.
const STEP: usize = 200;

#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// Names the key wherever it was used: 1 to 32 letters, digits, - and _. Random when not given.
    #[arg(long)]
    id: Option<String>,
}

/// Nothing but the key is printed, so that it can go into a file or a vault.
pub(crate) fn generate(args: GenerateArgs) -> Result<(), Failure> {
    let id = args.id.unwrap_or_else(|| new_id("key"));
    let key = EncryptionKeys::generate(&id).map_err(|error| Failure::Usage(error.to_string()))?;
    println!("{}", *key);
    Ok(())
}

#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    /// Where the data is, as for `serve`.
    #[arg(long, env = "HOOKWRIGHT_STORE", hide_env_values = true, value_name = "URL")]
    store: Option<String>,

    /// The file of the embedded store; the same as --store sqlite:FILE.
    #[arg(long, value_name = "FILE", conflicts_with = "store")]
    data: Option<PathBuf>,

    #[command(flatten)]
    keys: KeysArgs,
}

pub(crate) async fn rotate(args: RotateArgs) -> Result<(), Failure> {
    let failed = |error: hookwright_store::StoreError| Failure::Failed(error.to_string());
    let address = store_address(args.store.as_deref(), args.data)?;
    let Some(keys) = args.keys.find(&address)? else {
        return Err(Failure::Usage(String::from(
            "there is no key to seal with; give it with --encryption-key-file or HOOKWRIGHT_ENCRYPTION_KEYS",
        )));
    };
    let newest = keys.newest_id().to_owned();
    let store = Store::open_sealed(&address, Clock::system(), Some(keys.clone()))
        .await
        .map_err(failed)?;
    let (mut seen, mut changed, mut after) = (0, 0, None);
    loop {
        let step = store.reseal(after, STEP).await.map_err(failed)?;
        seen += step.seen;
        changed += step.changed;
        println!("{FAINT}{seen} webhooks looked at, {changed} sealed anew{FAINT:#}");
        after = step.next;
        if after.is_none() {
            break;
        }
    }
    if changed > 0 {
        store.wipe_free_space().await.map_err(failed)?;
    }
    let in_use = store.encryption_keys_in_use().await.map_err(failed)?;
    if let Some(other) = in_use.iter().find(|id| **id != newest) {
        return Err(Failure::Failed(format!(
            "something is sealed with key {other:?} again: a node still has it as its newest key; put {newest:?} first on \
             every node, restart it, and run this again"
        )));
    }
    println!("every secret is sealed with key {STRONG}{newest}{STRONG:#}");
    let older: Vec<&str> = keys.older_ids().collect();
    if !older.is_empty() {
        println!(
            "no longer needed, and may be removed from every node once backups that need them are gone: {STRONG}{}{STRONG:#}",
            older.join(", ")
        );
    }
    Ok(())
}
