//! The settings of the real binary, from flags, environment and file.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use crate::{
    command_line::{binary, stdout},
    harness::PATIENCE,
};

/// A folder to start the service in, and nothing in the environment.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new(file: &str) -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        place.write("hookwright.toml", file);
        place
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn command(&self, args: &[&str], environment: &[(&str, &str)]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(environment.iter().copied());
        command
    }

    fn run(&self, args: &[&str], environment: &[(&str, &str)]) -> Output {
        self.command(args, environment).output().unwrap()
    }

    /// What `config show` says of one setting.
    fn shown(&self, key: &str, args: &[&str], environment: &[(&str, &str)]) -> Value {
        let output = self.run(&[&["config", "show", "--json"], args].concat(), environment);
        assert!(output.status.success(), "{}", stderr(&output));
        let settings: Value = serde_json::from_str(&stdout(&output)).unwrap();
        let mut settings = settings.as_array().unwrap().iter();
        settings.find(|setting| setting["key"] == key).unwrap().clone()
    }

    /// The lines about problems with this file, from `config check`, which must be those of `serve` too.
    fn problems(&self, file: &str) -> Vec<String> {
        let checked = self.run(&["config", "check", file], &[]);
        assert_eq!(checked.status.code(), Some(1), "{}", stdout(&checked));
        let served = self.run(&["serve", "--listen", "127.0.0.1:0", "--config", file], &[]);
        assert_eq!(served.status.code(), Some(2));
        // Before it there is what the service says of its start.
        assert!(
            stderr(&served).ends_with(&stderr(&checked)),
            "{}",
            stderr(&served)
        );
        assert!(!Path::new(&self.folder.path().join("hookwright.db")).exists());
        let text = stderr(&checked);
        text.strip_prefix("error: ")
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Somebody would change a setting, and another place would have the last word.
#[test]
fn a_flag_is_before_the_environment_and_that_before_the_file() {
    let place = Place::new(
        "\nlease = \"10s\"\nallow-http = true\nallow-target = [\"10.0.0.0/8\", \"hooks.internal\"]\n",
    );
    let lease = |args: &[&str], environment: &[(&str, &str)]| place.shown("lease", args, environment);
    let variable = [("HOOKWRIGHT_LEASE", "20s")];
    assert_eq!(
        lease(&["--lease", "30s"], &variable),
        serde_json::json!({ "key": "lease", "value": "30s", "source": "flag" })
    );
    assert_eq!(
        lease(&[], &variable),
        serde_json::json!({ "key": "lease", "value": "20s", "source": "environment", "variable": "HOOKWRIGHT_LEASE" })
    );
    let of_file = serde_json::json!({ "key": "lease", "value": "10s", "source": "file", "file": "hookwright.toml", "line": 2 });
    assert_eq!(lease(&[], &[]), of_file);
    assert_eq!(lease(&[], &[("HOOKWRIGHT_LEASE", "")]), of_file);
    assert_eq!(
        lease(&["--config", "/dev/null"], &[]),
        serde_json::json!({ "key": "lease", "value": "5s", "source": "default" })
    );
    let targets = place.shown("allow-target", &[], &[]);
    assert_eq!(
        targets["value"],
        serde_json::json!(["10.0.0.0/8", "hooks.internal"])
    );
    assert_eq!(place.shown("allow-http", &[], &[])["value"], true);
    let off = place.shown("allow-http", &[], &[("HOOKWRIGHT_ALLOW_HTTP", "false")]);
    assert_eq!(
        (&off["value"], &off["source"]),
        (&false.into(), &"environment".into())
    );
}

/// A store that is typed would be refused beside the one in the file, or passed over.
#[test]
fn what_cannot_be_used_together_is_overruled_together() {
    let place = Place::new("store = \"sqlite:file.db\"\n");
    let platform = [("DATABASE_URL", "postgres://platform/db")];
    assert_eq!(place.shown("store", &[], &platform)["value"], "sqlite:file.db");
    let typed = ["--data", "typed.db"];
    assert_eq!(place.shown("store", &typed, &platform)["value"], Value::Null);
    assert_eq!(place.shown("data", &typed, &platform)["value"], "typed.db");
    let of_platform = place.shown("store", &["--config", "/dev/null"], &platform);
    assert_eq!(of_platform["value"], "postgres://platform/db");
    assert_eq!(of_platform["variable"], "DATABASE_URL");

    place.write("both.toml", "store = \"sqlite:file.db\"\ndata = \"other.db\"\n");
    let problems = place.problems("both.toml");
    assert!(
        problems[0].contains("'--store <URL>' cannot be used with '--data <FILE>'"),
        "{problems:?}"
    );
    assert!(problems.last().unwrap().contains("both.toml"), "{problems:?}");
}

/// Whoever looks at the log or at the settings would read the password.
#[test]
fn secrets_come_from_files_and_are_not_shown() {
    let place = Place::new(
        "store-file = \"store\"\nsmtp-url = \"smtps://me:secret-word@mail\"\nalert-from = \"a@example.com\"\n",
    );
    place.write(
        "store",
        "postgres://me:secret-word@db/hookwright?password=secret-word\n",
    );
    let store = place.shown("store", &[], &[]);
    assert_eq!(store["value"], "postgres://***@db/hookwright");
    assert_eq!(
        (&store["source"], &store["file"]),
        (&"secret file".into(), &"store".into())
    );
    assert_eq!(place.shown("smtp-url", &[], &[])["value"], "smtps://***@mail");
    let by_variable = place.shown("store", &[], &[("HOOKWRIGHT_STORE_FILE", "store")]);
    assert_eq!(by_variable["value"], "postgres://***@db/hookwright");
    let overruled = place.shown("store", &["--data", "typed.db"], &[]);
    assert_eq!(overruled["value"], Value::Null);

    let shown = place.run(&["config", "show"], &[]);
    assert!(!stdout(&shown).contains("secret-word"), "{}", stdout(&shown));
    let checked = place.run(&["config", "check"], &[]);
    assert!(checked.status.success(), "{}", stderr(&checked));
    assert!(!(stdout(&checked) + &stderr(&checked)).contains("secret-word"));

    place.write(
        "torn.toml",
        "lease = \"5s\"\nstore = \"postgres://me:secret-word@db\n",
    );
    let torn = place.problems("torn.toml").concat();
    assert!(
        torn.starts_with("torn.toml:2: ") && !torn.contains("secret-word"),
        "{torn}"
    );
    place.write("number.toml", "smtp-url = [\"secret-word\"]\n");
    assert_eq!(
        place.problems("number.toml"),
        ["number.toml:1: smtp-url: expected text in quotes, not a list"]
    );
    place.write("missing.toml", "\nstore-file = \"nowhere\"\n");
    let missing = place.problems("missing.toml").concat();
    assert!(
        missing.starts_with("store-file: nowhere (missing.toml:2): cannot read it"),
        "{missing}"
    );
}

/// A mistake in a file would be found one start at a time, or not at all.
#[test]
fn everything_that_is_wrong_with_a_file_is_told_at_once() {
    let place = Place::new("");
    assert!(
        place.run(&["config", "check"], &[]).status.success(),
        "an empty file"
    );
    place.write(
        "wrong.toml",
        "lisen = \"127.0.0.1:1\"\n\nlease = 5\nattempts-max = 0\n[egress]\nproxies = true\n",
    );
    assert_eq!(
        place.problems("wrong.toml"),
        [
            "wrong.toml:1: there is no setting `lisen`; did you mean `listen`?",
            "wrong.toml:3: lease: expected text in quotes, not a number",
            "wrong.toml:4: attempts-max: 0 is not in 1..=100000",
            "wrong.toml:5: there are no sections, and no setting begins with `egress-`",
        ]
    );
    place.write("unfit.toml", "alert-from = \"a@example.com\"\n");
    assert!(place.problems("unfit.toml").concat().contains("--smtp-url <URL>"));
    // What the settings lead to is looked at as well.
    place.write("profiles.toml", "profiles = \"nowhere\"\n");
    assert!(place.problems("profiles.toml").concat().contains("nowhere"));
    place.write("key", "not a key\n");
    place.write("key.toml", "encryption-key-file = \"key\"\n");
    assert!(
        place
            .problems("key.toml")
            .concat()
            .contains("encryption key file key")
    );
}

/// What is no file of settings would be read to its end, or be the defaults.
#[test]
fn what_is_no_file_of_settings_is_refused() {
    let place = Place::new("");
    assert!(place.problems(".").concat().starts_with(".: cannot read it"));
    assert!(
        place
            .problems("nowhere.toml")
            .concat()
            .starts_with("nowhere.toml: cannot read it")
    );
    place.write("latin.toml", b"# fine\nnode = \"\xfc\"\n");
    assert_eq!(place.problems("latin.toml"), ["latin.toml:2: this is not UTF-8"]);
    place.write("large.toml", "#".repeat(10 * 1024 * 1024));
    let large = place.problems("large.toml").concat();
    assert!(
        large.starts_with("large.toml: it is longer than 1048576 bytes"),
        "{large}"
    );
    place.write("garbage.toml", "x\n".repeat(10_000));
    let garbage = place.problems("garbage.toml");
    assert!(garbage.len() <= 21, "{} lines", garbage.len());
    // A file in this folder that cannot be read is not as if it were not there.
    std::fs::remove_file(place.folder.path().join("hookwright.toml")).unwrap();
    std::fs::create_dir(place.folder.path().join("hookwright.toml")).unwrap();
    assert!(!place.run(&["config", "show"], &[]).status.success());
}

/// The first file that somebody writes would not start, or would start something else than the defaults.
#[test]
fn the_example_starts_the_defaults() {
    let place = Place::new("");
    let example = stdout(&place.run(&["config", "example"], &[]));
    place.write("example.toml", &example);
    let show = |file: &str| stdout(&place.run(&["config", "show", "--config", file], &[]));
    assert_eq!(show("example.toml"), show("/dev/null"));
    assert!(example.contains("\n#lease = \"5s\"\n"), "{example}");
    // What is shown is a file again.
    let shown = place.run(&["config", "show", "--node", "b"], &[]);
    place.write("shown.toml", shown.stdout);
    assert_eq!(
        place.shown("node", &["--config", "shown.toml"], &[])["value"],
        "b"
    );
}

/// Nobody would know with what a service was started: from a file that happened to be there, for instance.
#[tokio::test]
async fn the_service_says_once_what_its_settings_are() {
    let place = Place::new("listen = \"127.0.0.1:0\"\nstore-file = \"store\"\n");
    place.write("store", "sqlite:mine.db\n");
    let command = place.command(&["serve", "--lease", "4s"], &[("HOOKWRIGHT_GRACE", "1s")]);
    let mut service = tokio::process::Command::from(command)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(service.stdout.take().unwrap()).lines();
    let first = tokio::time::timeout(PATIENCE, lines.next_line())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(first.starts_with("listening on http://127.0.0.1:"), "{first}");
    assert!(place.folder.path().join("mine.db").exists());
    service.kill().await.unwrap();
    let mut log = String::new();
    service
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut log)
        .await
        .unwrap();
    assert!(log.contains("read from the file in this folder"), "{log}");
    let settings: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("not the defaults"))
        .collect();
    assert_eq!(settings.len(), 1, "{log}");
    for part in [
        "listen = \\\"127.0.0.1:0\\\" (hookwright.toml:1)",
        "store = \\\"sqlite:mine.db\\\" (in store)",
        "lease = \\\"4s\\\" (flag)",
        "grace = \\\"1s\\\" (HOOKWRIGHT_GRACE)",
    ] {
        let line = settings[0].replace('\\', "");
        assert!(line.contains(&part.replace('\\', "")), "{part} is not in {line}");
    }
}

/// Who sets a service up would find the mistakes one by one, with a start for each.
#[test]
fn everything_that_settings_lead_to_is_told_at_once() {
    let place = Place::new("");
    place.write("profiles", "not a folder");
    place.write("empty.pem", "");
    place.write(
        "wrong.toml",
        "store = \"mysql://db/hooks\"\ntls-cert = \"empty.pem\"\ntls-key = \"no.pem\"\nprofiles = \"profiles\"\n\
         smtp-url = \"ftp://mail\"\nalert-from = \"alerts@example.com\"\n",
    );
    let problems = place.problems("wrong.toml");
    for told in [
        "expected postgres://",
        "TLS: cannot read no.pem",
        "profiles",
        "expected smtps://",
    ] {
        assert!(
            problems.iter().any(|problem| problem.contains(told)),
            "{told} is not in {problems:#?}"
        );
    }

    // What depends on another one is looked at when that one is good.
    place.write(
        "wrong.toml",
        "tls-cert = \"empty.pem\"\ntls-key = \"empty.pem\"\nencryption-key-file = \"no.keys\"\n",
    );
    let problems = place.problems("wrong.toml");
    assert_eq!(problems.len(), 2, "{problems:#?}");
    assert!(
        problems[0].contains("TLS: empty.pem has no certificate"),
        "{problems:#?}"
    );
    assert!(problems[1].contains("no.keys"), "{problems:#?}");
}
