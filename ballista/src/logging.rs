//! [`init_logging`]: logs of the binaries, on stderr.

use std::io::Write as _;
use std::sync::OnceLock;

use log::{LevelFilter, Log, Metadata, Record};

/// Levels by target, such as `info` or `warn,ballista_scheduler=debug`.
#[derive(Debug, PartialEq, Eq)]
struct Levels {
    default: LevelFilter,
    /// Targets with their levels, the longest first.
    targets: Vec<(String, LevelFilter)>,
}

impl Levels {
    /// Returns the levels of a text. A directive that can't be read is returned as the error.
    fn parse(text: &str) -> Result<Self, String> {
        let mut levels = Levels { default: LevelFilter::Warn, targets: Vec::new() };
        for directive in text.split(',').map(str::trim).filter(|directive| !directive.is_empty()) {
            let level = |level: &str| level.trim().parse().map_err(|_| directive.to_owned());
            match directive.split_once('=') {
                Some((target, name)) => levels.targets.push((target.trim().to_owned(), level(name)?)),
                None => levels.default = level(directive)?,
            }
        }
        levels.targets.sort_by_key(|(target, _)| std::cmp::Reverse(target.len()));
        Ok(levels)
    }

    fn of(&self, target: &str) -> LevelFilter {
        let is_within = |prefix: &str| {
            target.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        self.targets.iter().find(|(prefix, _)| is_within(prefix)).map_or(self.default, |(_, level)| *level)
    }

    fn most(&self) -> LevelFilter {
        self.targets.iter().map(|(_, level)| *level).max().unwrap_or(self.default).max(self.default)
    }
}

struct Logger {
    levels: OnceLock<Levels>,
}

static LOGGER: Logger = Logger { levels: OnceLock::new() };

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.levels.get().is_some_and(|levels| metadata.level() <= levels.of(metadata.target()))
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let time = seconds(std::time::SystemTime::now());
            // A closed stderr is no reason to stop.
            let _ = writeln!(
                std::io::stderr().lock(),
                "{time} {} {}: {}",
                record.level(),
                record.target(),
                record.args()
            );
        }
    }

    fn flush(&self) {}
}

/// Returns the seconds since 1970, with milliseconds.
fn seconds(time: std::time::SystemTime) -> String {
    let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:03}", since.as_secs(), since.subsec_millis())
}

/// Writes log records of these levels to stderr: `info`, or levels by target, such as `warn,ballista_scheduler=debug`. The
/// records of `tracing` are among them.
///
/// # Errors
/// Returns an error if a directive isn't a level or `target=level`, or if the process has a logger.
pub fn init_logging(levels: &str) -> Result<(), String> {
    let parsed = Levels::parse(levels).map_err(|directive| {
        format!("log: {directive:?} is no level: use off, error, warn, info, debug or trace, or target=level")
    })?;
    let most = parsed.most();
    if LOGGER.levels.set(parsed).is_err() || log::set_logger(&LOGGER).is_err() {
        return Err("log: the process has a logger already".to_owned());
    }
    log::set_max_level(most);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_target_gives_level() {
        let levels = Levels::parse("warn, a=info,a::b=trace ,c=off").unwrap();
        let of = |target| levels.of(target);
        assert_eq!(
            [of("a"), of("a::b"), of("a::b::c"), of("a::bc"), of("ab"), of("c::d")],
            [
                LevelFilter::Info,
                LevelFilter::Trace,
                LevelFilter::Trace,
                LevelFilter::Info,
                LevelFilter::Warn,
                LevelFilter::Off
            ]
        );
        assert_eq!(levels.most(), LevelFilter::Trace);
        assert_eq!(Levels::parse("info,a=loud"), Err("a=loud".to_owned()));
    }
}
