//! Keys, tenants and the audit log from the command line.

use std::process::{Command, Output};

use hookwright_server::Server;
use hookwright_store::StoreAddress;
use serde_json::Value;

use super::with_keys;
use crate::{
    command_line::{binary, stdout},
    harness::Database,
};

fn run(args: &[&str], key: &str) -> Output {
    Command::new(binary())
        .args(args)
        .env_remove("HOOKWRIGHT_SERVER")
        .env_remove("HOOKWRIGHT_STORE")
        .env("HOOKWRIGHT_KEY", key)
        .output()
        .unwrap()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Nobody could make the first key; or the service would be open to everybody until somebody had; or keys would show up in
/// logs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_key_and_everything_after_it() {
    let database = Database::sqlite();
    let StoreAddress::Sqlite(path) = database.address() else {
        panic!("not a file");
    };
    let data = path.to_str().unwrap();
    let refused = run(&["serve", "--listen", "0.0.0.0:0", "--data", data], "");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(
        said.contains("hookwright keys create") && said.contains("--auth none"),
        "{said}"
    );

    let create = [
        "keys", "create", "first", "--scope", "admin", "--scope", "operator", "--data", data, "--json",
    ];
    let first = json(&run(&create, ""));
    let first = first["text"].as_str().unwrap();
    let mut config = with_keys(&database);
    let keys = std::fs::read_to_string(path.with_extension("db.key")).ok();
    config.encryption_keys = keys.map(|keys| hookwright_store::EncryptionKeys::parse(&keys).unwrap());
    let server = Server::start(config).await.unwrap();
    let url = format!("http://{}", server.local_addr());
    let run = |args: &[&str], key: &str| run(&[args, &["--server", &url]].concat(), key);

    let missing = run(&["webhooks"], "");
    assert!(
        String::from_utf8_lossy(&missing.stderr).contains("KEY_MISSING"),
        "{missing:?}"
    );
    let made = run(&["tenants", "create", "acme", "--webhooks-max", "3"], first);
    assert!(made.status.success(), "{made:?}");
    let tenants = stdout(&run(&["tenants", "list"], first));
    assert!(tenants.contains("acme") && tenants.contains('3'), "{tenants}");
    let publish = [
        "keys",
        "create",
        "publisher",
        "--scope",
        "publish",
        "--tenant",
        "acme",
        "--ttl",
        "1d",
        "--json",
    ];
    let made = json(&run(&publish, first));
    let (text, id) = (
        made["text"].as_str().unwrap(),
        made["key"]["id"].as_str().unwrap(),
    );
    let published = run(&["publish", "a.b", "{}"], text);
    assert!(published.status.success(), "{published:?}");
    let revoked = run(&["keys", "revoke", id, "--tenant", "acme"], first);
    assert!(revoked.status.success(), "{revoked:?}");
    // As a script takes it.
    let taken = stdout(&run(&["keys", "create", "reader", "--scope", "read"], first));
    let taken = taken.trim_end_matches('\n');
    assert!(
        run(&["webhooks"], taken).status.success(),
        "{taken:?} is the key alone"
    );
    let listed = stdout(&run(&["keys", "list", "--tenant", "acme"], first));
    assert!(listed.contains(id) && listed.contains("revoked"), "{listed}");
    let audit = stdout(&run(&["audit", "--tenant", "acme"], first));
    assert!(
        audit.contains("CreateKey") && audit.contains("RevokeKey") && audit.contains("first"),
        "{audit}"
    );
    let own = stdout(&run(&["audit"], first));
    assert!(
        own.contains("CreateTenant") && own.contains("command line"),
        "{own}"
    );

    let help = stdout(&run(&["webhooks", "--help"], first));
    assert!(
        help.contains("HOOKWRIGHT_KEY") && !help.contains("hwk_0"),
        "{help}"
    );
    assert!(!help.contains(first), "{help}");
    let mistyped = &first[..80];
    let refused = run(&["webhooks", "--key", mistyped], "");
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        !String::from_utf8_lossy(&refused.stderr).contains(mistyped),
        "{refused:?}"
    );
    server.stop().await.unwrap();
    database.remove().await;
}
