//! `bowline run`: one node from a settings file, with an identity on disk, until a signal ends it.

use super::args::Run;
use super::host::{INTERRUPTED, Stop};
use super::identity::load_or_search;
use bowline::{Builder, Error, Event, Node, Settings, Up};
use crossbeam_channel::{bounded, select};
use sd_notify::NotifyState;
use std::process::ExitCode;
use std::time::Duration;

/// Runs the command.
pub fn run(args: &Run) -> Result<ExitCode, String> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let stop = Stop::listen().map_err(|error| format!("signals: {error}"))?;
    let settings = settings(args)?;
    // Before the search for a stamp, which may take long.
    settings.clone().check().map_err(|complaints| Error::Settings(complaints).to_string())?;
    let Some(identity) = load_or_search(&args.identity, settings.network_pow_bits, &stop)? else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let node = Builder::new()
        .settings(settings)
        .identity(identity)
        .agent(concat!("bowline/", env!("CARGO_PKG_VERSION")))
        .build()
        .and_then(|node| node.start().map(|()| node))
        .map_err(|error| error.to_string())?;
    for at in node.listen_addresses() {
        println!("bowline://{}@{at}", node.id());
    }
    log::info!("at worst it takes {}", node.memory_max());
    // Without a service manager there is nobody to tell.
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    let (ended, end) = bounded::<()>(1);
    let reads = node.clone();
    let reader = std::thread::Builder::new()
        .name("events".to_owned())
        .spawn(move || {
            // Dropped at the end of this thread, which wakes whoever waits for it.
            let _ended = ended;
            log_events(&reads);
        })
        .map_err(|error| format!("no thread for the node's events: {error}"))?;
    select! {
        recv(stop.signals) -> _ => log::info!("stopping"),
        recv(end) -> _ => {}
    }
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    // As long as `stop.drain` lets it.
    if let Err(error) = node.stop(Duration::MAX) {
        log::warn!("{error}");
    }
    // It ends with the node; that it panicked would have been printed.
    let _ = reader.join();
    node.failure().map_or(Ok(ExitCode::SUCCESS), |what| Err(format!("the node failed: {what}")))
}

/// Writes the node's events to the log until the node has stopped.
fn log_events(node: &Node) {
    while let Ok(event) = node.recv() {
        match event {
            Event::Up(Up { link, peer, remote, direction, .. }) => log::info!("{link} is up: {peer} at {remote}, {direction:?}"),
            Event::Down(down) => log::info!("{} is down: {}, {}", down.link, down.peer.short(), down.reason),
            Event::Notice(notice) => log::debug!("{notice:?}"),
            other => log::debug!("{other:?}"),
        }
    }
}

/// The settings of the file with those of the command line on top.
fn settings(args: &Run) -> Result<Settings, String> {
    let mut settings = Settings::default();
    if let Some(path) = &args.config {
        let said = |what: String| format!("{}: {what}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| said(error.to_string()))?;
        for (name, value) in flatten(&text).map_err(said)? {
            settings.set(&name, &value).map_err(|error| said(error.to_string()))?;
        }
    }
    for (name, value) in &args.set {
        settings.set(name, value).map_err(|error| format!("--set {name}={value}: {error}"))?;
    }
    Ok(settings)
}

/// The settings in a TOML text as names and values: `[pool]` and `max = 80` make `pool.max` and `80`; a list has commas between.
fn flatten(text: &str) -> Result<Vec<(String, String)>, String> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let mut settings = Vec::new();
    for (room, value) in table {
        let toml::Value::Table(room_table) = value else {
            return Err(format!("'{room}' stands in no table: settings are written below [{room}], or as a.b = value"));
        };
        for (name, value) in room_table {
            let name = format!("{room}.{name}");
            settings.push((name.clone(), scalar(&name, &value)?));
        }
    }
    Ok(settings)
}

fn scalar(name: &str, value: &toml::Value) -> Result<String, String> {
    match value {
        toml::Value::String(text) => Ok(text.clone()),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Boolean(switch) => Ok(switch.to_string()),
        toml::Value::Array(items) => Ok(items.iter().map(|item| scalar(name, item)).collect::<Result<Vec<_>, _>>()?.join(",")),
        other => Err(format!(
            "{name}: a setting is a text, a whole number, true or false, or a list of texts, not a {}",
            other.type_str()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settings_file_is_flattened_to_names_and_values() {
        let text = "[network]\nname = \"main\"\n[pool]\nmax = 80\n[pex]\nprivate = true\n[listen]\naddresses = [\"0.0.0.0:1\", \"[::]:1\"]";
        let settings = flatten(text).expect("good settings");
        let find = |name: &str| settings.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!(find("network.name"), Some("main"));
        assert_eq!(find("pool.max"), Some("80"));
        assert_eq!(find("pex.private"), Some("true"));
        assert_eq!(find("listen.addresses"), Some("0.0.0.0:1,[::]:1"));
        assert_eq!(flatten("pool.max = 80").expect("a dotted key"), [("pool.max".to_owned(), "80".to_owned())]);
    }

    #[test]
    fn what_is_no_setting_is_named() {
        for (text, says) in [
            ("name = \"main\"", "'name' stands in no table"),
            ("[pool]\nmax = 1.5", "pool.max: a setting is a text, a whole number"),
            ("[pool]\nmax = { a = 1 }", "not a table"),
            ("[pool", "pool"),
        ] {
            let error = flatten(text).expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn the_command_line_wins_over_the_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("node.toml");
        std::fs::write(&path, "[pool]\nmax = 80\nmin = 5\n").expect("written");
        let set = vec![("pool.max".to_owned(), "70".to_owned())];
        let mut args = Run { config: Some(path), set, identity: "unused".into() };
        let found = settings(&args).expect("good settings");
        assert_eq!((found.pool_max, found.pool_min), (70, 5));
        args.set = vec![("pool.maximum".to_owned(), "1".to_owned())];
        assert!(settings(&args).expect_err("no such setting").contains("did you mean pool.max?"));
    }
}
